package lint

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// mark begins the part of docs/lint.md that is made from the tables.
const mark = "<!-- From here on: go test ./core/internal/lint -update -->\n"

// TestDocumentationIsMadeFromTheTables, so that it cannot say anything else.
func TestDocumentationIsMadeFromTheTables(t *testing.T) {
	const file = "../../../docs/lint.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	prose, _, ok := strings.Cut(string(text), mark)
	if !ok {
		t.Fatalf("%s has no mark", file)
	}
	golden(t, file, prose+mark+rulesInMarkdown())
}

func rulesInMarkdown() string {
	var b strings.Builder
	for _, p := range Packs() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| Code | Asked for | Where | |\n|---|---|---|---|\n", p.Name, p.Document)
		for _, r := range p.rules {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.id, r.sentence, r.source, r.severity)
		}
	}
	b.WriteString("\n## Codes without a policy\n\n| Code | |\n|---|---|\n")
	for _, e := range explanations {
		fmt.Fprintf(&b, "| %s | %s |\n", e.Code, e.Title)
	}
	return b.String()
}
