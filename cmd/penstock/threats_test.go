package main

import (
	"go/ast"
	"go/parser"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	threatRow = regexp.MustCompile(`(?m)^\|.*\b(Test[A-Z]|stor(?:y|ies) ).*\|$`)
	// A name in the table: perhaps with its package, perhaps with a subtest.
	namedTest = regexp.MustCompile("(?:\\b([a-z]+)\\.)?\\b(Test[A-Z]\\w*)(/[^`,|]+)?")
)

var namedStories = regexp.MustCompile(`\bstor(?:y|ies) ([a-z_, -]+)`)

// TestThreatsAreTested: each test that audit/README.md and broker/README.md name
// beside a threat or a promise is there, in the package that it says, with the
// part of it that it says; and each story.
func TestThreatsAreTested(t *testing.T) {
	for _, room := range []string{"audit", "broker"} {
		t.Run(room, func(t *testing.T) { namesWhatIsThere(t, room) })
	}
}

func namesWhatIsThere(t *testing.T, room string) {
	text, err := os.ReadFile(filepath.Join(house, room, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{} // "TestX", "package.TestX"
	words := map[string]bool{} // texts of test files, where a subtest has its name
	eachFile(t, parser.SkipObjectResolution, func(pkg, name string, file *ast.File) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					there[n.Name.Name], there[path.Base(pkg)+"."+n.Name.Name] = true, true
				}
			case *ast.BasicLit:
				if s, err := strconv.Unquote(n.Value); err == nil {
					words[s] = true
				}
			}
			return true
		})
	})
	rows := threatRow.FindAllString(string(text), -1)
	if len(rows) < 15 {
		t.Errorf("the tables name tests in %d rows", len(rows))
	}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		for _, m := range namedStories.FindAllStringSubmatch(cells[len(cells)-2], -1) {
			for name := range strings.SplitSeq(strings.TrimSpace(m[1]), ", ") {
				if _, err := os.Stat(filepath.Join("testdata", "stories", name+".txtar")); err != nil {
					t.Errorf("there is no story %q: %s", name, row)
				}
			}
		}
		for _, m := range namedTest.FindAllStringSubmatch(cells[len(cells)-2], -1) {
			name := m[2]
			if m[1] != "" {
				name = m[1] + "." + name
			}
			if part := strings.TrimSpace(strings.TrimPrefix(m[3], "/")); !there[name] || part != "" && !words[part] {
				t.Errorf("there is no test %q: %s", m[0], row)
			}
		}
	}
}
