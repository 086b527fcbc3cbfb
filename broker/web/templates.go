package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages' sets by name, each parsed when it is first asked for:
// all of them together hold 8 MiB, and most are seldom seen. They are part of
// the program, and TestEveryPageParses parses each.
type templates map[string]func() (*template.Template, error)

// of is the set of a page: layout and parts, then the page.
func (t templates) of(name string) (*template.Template, error) {
	parsed := t[name]
	if parsed == nil {
		return nil, fmt.Errorf("there is no page %q", name)
	}
	return parsed()
}

func listTemplates() (templates, error) {
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	all := templates{}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		all[name] = sync.OnceValues(func() (*template.Template, error) {
			t := template.New(name).Funcs(template.FuncMap{"upper": strings.ToUpper, "join": strings.Join, "count": count, "list": func(all ...any) []any { return all }})
			if _, err := t.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", f); err != nil {
				return nil, fmt.Errorf("parse page %s: %w", name, err)
			}
			return t, nil
		})
	}
	return all, nil
}
