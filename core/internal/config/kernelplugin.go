package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// KernelPlugin is the kernel plugin that a configuration file chooses, or plugins.hcl
// beside a classic one, for who wants no more of it: the rest of the file may be wrong.
// Without a file it is the platform's. name, if not "", is the plugin to use instead; what
// the file says of that one still counts.
func KernelPlugin(path, name string) (PluginSpec, []Diagnostic, error) {
	p := newParser(path)
	if IsHCL(path) {
		switch text, err := os.ReadFile(path); {
		case err == nil:
			p.main(string(text))
		case !errors.Is(err, fs.ErrNotExist):
			return PluginSpec{}, nil, fmt.Errorf("could not read configuration file %q: %s", path, reason(err))
		}
		p.diags = slices.DeleteFunc(p.diags, func(d Diagnostic) bool { return d.Code != codePlugins })
	}
	kernel, specs := defaultKernel(), []PluginSpec(nil)
	if f := p.pluginsFile(); f != nil {
		kernel, specs = p.hclPlugins(f, kernel)
	}
	if n := errorCount(p.diags); n > 0 {
		return PluginSpec{}, p.diags, fmt.Errorf("the kernel plugin to use cannot be read (%d errors)", n)
	}
	for _, s := range specs {
		if s.Kind == "kernel" && (name == "" || s.Name == name) {
			return s, p.diags, nil
		}
	}
	if name == "" {
		name = kernel
	}
	return classicPlugin("kernel", name, nil), p.diags, nil
}
