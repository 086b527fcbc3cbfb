package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The README names the checks in the order in which they are asked, when each is,
// and every rule by which something is refused: a person who is told a rule's name
// finds it there.
func TestREADMEHasTheChecksAndRules(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "## The checks, in their order\n")
	var have, want []string
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "-") || strings.TrimSpace(cells[1]) == "check" {
			continue
		}
		when, _, _ := strings.Cut(cells[2], ";")
		have = append(have, strings.TrimSpace(cells[1])+": "+strings.TrimSpace(when))
	}
	for _, c := range checks {
		want = append(want, c.name+": "+c.at.words())
	}
	if !slices.Equal(have, want) {
		t.Errorf("the README has the checks\n%s\nand they are\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	for _, rule := range rulesInSource(t) {
		if !regexp.MustCompile(`[^a-z-]` + regexp.QuoteMeta(rule) + `[^a-z-]`).Match(b) {
			t.Errorf("the README does not name the rule %s", rule)
		}
	}
}

// words are the stages as the README has them.
func (s stages) words() string {
	if s == always {
		return "all"
	}
	var all []string
	for stage, word := range map[Stage]string{AtAsk: "ask", AtOpen: "open", AtAdmit: "admit", AtChannel: "channel", AtOperation: "operation"} {
		if s&at(stage) != 0 {
			all = append(all, strconv.Itoa(int(stage))+word)
		}
	}
	slices.Sort(all)
	for i := range all {
		all[i] = all[i][1:]
	}
	return strings.Join(all, ", ")
}

// rulesInSource are the names that refusals of this package are made with.
func rulesInSource(t *testing.T) (rules []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			rule, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			rules = append(rules, rule)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if fun, ok := n.Fun.(*ast.Ident); ok && fun.Name == "refusal" && len(n.Args) > 0 {
					add(n.Args[0])
				}
			case *ast.CompositeLit:
				if name, ok := n.Type.(*ast.Ident); ok && name.Name == "Refusal" {
					for _, e := range n.Elts {
						if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Rule" {
							add(kv.Value)
						}
					}
				}
			}
			return true
		})
	}
	if slices.Sort(rules); len(rules) < 40 {
		t.Fatalf("found %d rules alone: %q", len(rules), rules)
	}
	return slices.Compact(rules)
}
