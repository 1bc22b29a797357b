package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// matrix makes many scenarios of one description. Table holds chosen rows,
// the first line naming the columns; a column "tags" (comma separated) tags
// the row and is no variable. Cross lists "column: value value ..." lines; the
// rest of their cross product is added with the tags of CrossTags.
type matrix struct {
	Table     string   `hcl:"table"`
	Cross     string   `hcl:"cross,optional"`
	CrossTags []string `hcl:"cross_tags,optional"`
}

type row struct {
	columns, values []string
	tags            []string
}

// label is the row's part of the scenario's name.
func (r row) label() []string {
	if len(r.values) == 0 {
		return nil
	}
	return []string{strings.Join(r.values, "_")}
}

func (m *matrix) expand() ([]row, error) {
	rows, err := parseTable(m.Table)
	if err != nil {
		return nil, err
	}
	if m.Cross == "" {
		return rows, nil
	}
	names, lists, err := parseCross(m.Cross)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(names, rows[0].columns) {
		return nil, fmt.Errorf("matrix: cross has the columns %v, the table %v", names, rows[0].columns)
	}
	for _, values := range product(lists) {
		if !slices.ContainsFunc(rows, func(r row) bool { return slices.Equal(r.values, values) }) {
			rows = append(rows, row{names, values, m.CrossTags})
		}
	}
	return rows, nil
}

func parseTable(text string) ([]row, error) {
	var header []string
	var rows []row
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case header == nil:
			header = fields
			continue
		case len(fields) != len(header):
			return nil, fmt.Errorf("matrix: row %q has %d columns, the header %d", strings.TrimSpace(line), len(fields), len(header))
		}
		var r row
		for i, f := range fields {
			if header[i] == "tags" {
				r.tags = strings.Split(f, ",")
			} else {
				r.columns, r.values = append(r.columns, header[i]), append(r.values, f)
			}
		}
		if slices.ContainsFunc(rows, func(o row) bool { return slices.Equal(o.values, r.values) }) {
			return nil, fmt.Errorf("matrix: row %q is there twice", strings.TrimSpace(line))
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("matrix: the table has no rows")
	}
	return rows, nil
}

func parseCross(text string) (names []string, lists [][]string, err error) {
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, values, ok := strings.Cut(line, ":")
		if !ok || len(strings.Fields(values)) == 0 {
			return nil, nil, fmt.Errorf("matrix: cross line %q is not \"column: values\"", strings.TrimSpace(line))
		}
		names, lists = append(names, strings.TrimSpace(name)), append(lists, strings.Fields(values))
	}
	return names, lists, nil
}

func product(lists [][]string) [][]string {
	all := [][]string{nil}
	for _, list := range lists {
		var next [][]string
		for _, head := range all {
			for _, v := range list {
				next = append(next, append(slices.Clone(head), v))
			}
		}
		all = next
	}
	return all
}
