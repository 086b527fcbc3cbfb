package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the house's plan: what of ours each package may import. "x/..."
// stands for x and all below it. A package without a line fails, so does an
// import without a word here. Test files may import more, but nobody imports cmd.
var mayImport = map[string][]string{
	"policy/source": {},
	"policy":        {"policy/source"},

	"policy/inventory":      {"policy"},
	"policy/inspect":        {"policy"},
	"policy/inspect/modbus": {"policy", "policy/inspect"},

	"audit/durable":           {},
	"audit/durable/faultdisk": {"audit/durable"}, // for tests
	"audit":                   {"audit/durable"},
	"audit/recording":         {"audit", "audit/durable"},
	"audit/review":            {"audit", "audit/recording"},
	"audit/syslog":            {},
	"audit/outsidetest":       {}, // for tests
	"audit/publish":           {"audit", "audit/durable", "audit/syslog"},
	"audit/search":            {"audit", "audit/durable", "audit/recording"},
	"audit/siem":              {"audit", "audit/durable", "audit/syslog"},
	"audit/witness":           {"audit", "audit/durable"},
	"audit/receipt":           {"audit", "audit/durable"},
	"audit/verify":            {"audit", "audit/recording", "audit/receipt", "audit/review"},
	"audit/pack":              {"audit", "audit/recording", "audit/verify"},

	"approvals/evidence":              {"policy", "audit"},
	"approvals/calendar":              {"approvals/evidence"},
	"approvals/dossier":               {"policy", "audit", "approvals/evidence"},
	"approvals/evidence/evidencetest": {"policy", "audit", "audit/durable", "audit/recording", "approvals/evidence"}, // for tests
	"approvals/measures":              {"policy", "audit", "approvals/evidence"},
	"approvals/state":                 {"audit"},
	"approvals/state/bolt":            {"approvals/state", "audit"},
	"approvals/state/statetest":       {"approvals/state", "audit"},
	"approvals/people":                {"policy", "policy/inventory", "audit", "approvals/evidence", "approvals/state"},
	"approvals":                       {"policy", "audit", "approvals/evidence", "approvals/state", "approvals/people"},

	"broker":            {"policy", "audit", "audit/recording", "approvals"},
	"broker/brokertest": {"policy", "audit", "audit/durable", "audit/recording", "approvals", "broker"}, // for tests
	"broker/ca":         {"policy", "audit", "approvals/state"},
	"broker/login":      {"policy", "audit", "approvals/evidence", "approvals/state", "approvals/people", "broker/seal"},
	"broker/seal":       {"audit", "audit/durable"},
	"broker/vault":      {"policy", "audit", "approvals/state", "approvals/people", "broker/seal"},
	"broker/dial":       {"policy", "audit/recording", "broker", "broker/ca", "broker/vault"},
	"broker/relay":      {"policy", "policy/inspect", "audit", "audit/recording", "broker"},
	"broker/sftp":       {"policy", "audit", "audit/recording", "broker", "broker/relay"},
	"broker/holding":    {"policy", "audit", "audit/durable", "approvals", "broker", "broker/sftp"},
	"broker/notify":     {"policy", "audit", "audit/durable", "approvals/people"},
	"broker/verbs":      {"policy", "audit", "audit/receipt", "approvals", "approvals/evidence", "approvals/people", "broker/ca", "broker/login"},
	"broker/sshd": {"policy", "policy/inspect", "audit", "audit/recording", "approvals/people", "broker", "broker/ca", "broker/dial",
		"broker/login", "broker/relay", "broker/sftp", "broker/verbs"},
	"broker/api":     {},
	"broker/agent":   {"policy", "policy/source", "broker/connect"}, // inside a zone; no room of ours is there
	"broker/connect": {},
	"broker/inputs":  {"policy"},
	"broker/web": {"policy", "audit", "audit/publish", "audit/recording", "audit/receipt", "audit/review", "audit/search", "audit/siem", "audit/verify", "approvals", "approvals/evidence", "approvals/measures",
		"approvals/calendar", "approvals/people", "broker", "broker/api", "broker/ca", "broker/login", "broker/vault"},

	"configs":              {},
	"cmd/penstock":         {"policy/...", "approvals/...", "broker/...", "audit/...", "configs", "cmd/penstock/demo"},
	"cmd/penstock-connect": {"broker/connect"}, // a vendor's computer runs no room of ours
	"cmd/penstock-verify":  {"policy/...", "audit/...", "approvals/evidence", "approvals/dossier"},
	"cmd/penstock/demo":    {},
	"scripts/measure":      {}, // what ./scripts/bench runs
}

// house is the repository's root, two folders up from this package.
var house = filepath.Join("..", "..")

// eachFile parses every Go file of the repository; pkg is its folder, slash-separated.
func eachFile(t *testing.T, mode parser.Mode, f func(pkg, name string, file *ast.File)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(house, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && p != house || d.Name() == "node_modules" || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		file, err := parser.ParseFile(fset, p, nil, mode)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(house, filepath.Dir(p))
		if err != nil {
			return err
		}
		f(filepath.ToSlash(rel), d.Name(), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func allowed(list []string, imp string) bool {
	return slices.ContainsFunc(list, func(a string) bool {
		if below, ok := strings.CutSuffix(a, "/..."); ok {
			return imp == below || strings.HasPrefix(imp, below+"/")
		}
		return a == imp
	})
}

func TestImportTable(t *testing.T) {
	seen := map[string]bool{}
	eachFile(t, parser.ImportsOnly, func(pkg, name string, file *ast.File) {
		test := strings.HasSuffix(name, "_test.go")
		list, known := mayImport[pkg]
		if !known {
			t.Errorf("package %s has no line in mayImport", pkg)
			return
		}
		seen[pkg] = seen[pkg] || !test
		for _, s := range file.Imports {
			imp, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours, ok := strings.CutPrefix(imp, "penstock/")
			switch {
			case !ok:
			case strings.HasPrefix(ours, "cmd/") && !(pkg == "cmd/penstock" && ours == "cmd/penstock/demo"):
				t.Errorf("%s/%s imports %s: nobody imports cmd", pkg, name, imp)
			case !test && !allowed(list, ours):
				t.Errorf("%s/%s imports %s, which mayImport does not allow", pkg, name, imp)
			case !test && strings.HasSuffix(ours, "/statetest"), !test && strings.HasSuffix(ours, "/faultdisk"):
				t.Errorf("%s/%s imports %s, which is for tests", pkg, name, imp)
			}
		}
	})
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("mayImport has a line for %s, which is not there", pkg)
		}
	}
}

// mayRun: packages that may have another program run, and what for. A broker that
// starts programs on words of people outside has been made to run their words
// (JumpServer, CVE-2024-29201; OpenSSH's ProxyCommand, CVE-2023-51385); this one starts none.
var mayRun = map[string]string{
	"cmd/penstock":      "ssh-keygen signs what its own user agrees to",
	"cmd/penstock/demo": "the people of the demo are stock ssh",
	"scripts/measure":   "measures beside stock ssh",
	"audit/outsidetest": "for tests",
	"broker/brokertest": "for tests",
}

// TestTheBrokerRunsNoProgram: no room of the house has another program run.
func TestTheBrokerRunsNoProgram(t *testing.T) {
	runs := map[string]bool{}
	eachFile(t, parser.SkipObjectResolution, func(pkg, name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, s := range file.Imports {
			if imp, _ := strconv.Unquote(s.Path.Value); imp == "os/exec" || imp == "plugin" {
				if runs[pkg] = true; mayRun[pkg] == "" {
					t.Errorf("%s/%s imports %s", pkg, name, imp)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains([]string{"StartProcess", "ForkExec", "Exec"}, s.Sel.Name) {
				if x, ok := s.X.(*ast.Ident); ok && (x.Name == "os" || x.Name == "syscall" || x.Name == "unix") {
					t.Errorf("%s/%s calls %s.%s", pkg, name, x.Name, s.Sel.Name)
				}
			}
			return true
		})
	})
	for pkg := range mayRun {
		if !runs[pkg] {
			t.Errorf("mayRun has a line for %s, which runs nothing", pkg)
		}
	}
}

// TestPackageDocs: every package says once what it gives.
func TestPackageDocs(t *testing.T) {
	docs := map[string]int{}
	eachFile(t, parser.ParseComments|parser.PackageClauseOnly, func(pkg, name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		docs[pkg] += 0
		if file.Doc != nil {
			docs[pkg]++
			if file.Name.Name != "main" && !strings.HasPrefix(file.Doc.Text(), "Package "+file.Name.Name+" ") {
				t.Errorf("%s/%s: the package comment does not begin with Package %s", pkg, name, file.Name.Name)
			}
		}
	})
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("package %s has %d package comments, wants 1", pkg, n)
		}
	}
}

// TestRooms: the top level is what the user fixed, and each room has its door.
func TestRooms(t *testing.T) {
	fixed := []string{"cmd", "broker", "policy", "approvals", "audit", "configs", "scripts", "go.mod", "go.sum", "README.md", "LICENSE"}
	entries, err := os.ReadDir(house)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		built := e.Name() == "penstock" || e.Name() == "penstock-connect" || e.Name() == "penstock-verify" // go build's output, ignored by git
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(fixed, e.Name()) && !built {
			t.Errorf("%s stands at the top level, where only %v belong", e.Name(), fixed)
		}
	}
	for _, room := range []string{".", "policy", "approvals", "broker", "audit", "configs"} {
		b, err := os.ReadFile(filepath.Join(house, filepath.FromSlash(path.Join(room, "README.md"))))
		if err != nil {
			t.Errorf("room %s has no README.md: %v", room, err)
		} else if len(b) < 500 {
			t.Errorf("%s/README.md says next to nothing", room)
		}
	}
}

// TestTheVendorsProgramIsPortable: what runs on a vendor's Windows or macOS
// imports nothing that is of one system alone.
func TestTheVendorsProgramIsPortable(t *testing.T) {
	seen := 0
	eachFile(t, parser.ImportsOnly, func(pkg, name string, file *ast.File) {
		if pkg != "broker/connect" && pkg != "cmd/penstock-connect" || strings.HasSuffix(name, "_test.go") {
			return
		}
		seen++
		for _, s := range file.Imports {
			imp, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(imp, "golang.org/x/sys/") || imp == "syscall" && pkg == "broker/connect" {
				t.Errorf("%s/%s imports %s", pkg, name, imp)
			}
		}
	})
	if seen < 5 {
		t.Errorf("only %d files were looked at", seen)
	}
}
