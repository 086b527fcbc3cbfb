package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestItFitsTheVendorsComputers: the program and all below it pass the type checker as
// Windows and macOS have it. To build it for each would cost CI their standard libraries.
func TestItFitsTheVendorsComputers(t *testing.T) {
	for _, on := range []struct{ system, cpu string }{{"windows", "amd64"}, {"windows", "arm64"}, {"darwin", "arm64"}} {
		t.Run(on.system+"-"+on.cpu, func(t *testing.T) {
			t.Parallel()
			fits(t, on.system, on.cpu)
		})
	}
}

func fits(t *testing.T, system, cpu string) {
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Standard", ".")
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+cpu, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	known, ours := packages{"unsafe": types.Unsafe}, 0
	files := token.NewFileSet()
	for all := json.NewDecoder(strings.NewReader(string(out))); ; { // what is imported comes before who imports it
		var p struct {
			ImportPath, Dir string
			GoFiles         []string
			ImportMap       map[string]string
			Standard        bool
		}
		if err := all.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
		}
		isOurs := strings.HasPrefix(p.ImportPath, "penstock/")
		if isOurs {
			ours++
			if _, err := os.ReadDir(p.Dir); err != nil { // go test runs this anew when a file is added
				t.Fatal(err)
			}
		}
		check := types.Config{Importer: importer{known, p.ImportMap}, IgnoreFuncBodies: !isOurs, FakeImportC: true, Sizes: types.SizesFor("gc", cpu), Error: func(err error) {
			if isOurs {
				t.Error(err)
			}
		}}
		known[p.ImportPath], _ = check.Check(p.ImportPath, files, parsed, nil) // of others' packages the shape is enough
	}
	if ours != 2 {
		t.Errorf("%d packages of ours were looked at", ours)
	}
}

type packages map[string]*types.Package

// importer finds what was checked before, by the names that one package uses.
type importer struct {
	packages
	names map[string]string
}

func (i importer) Import(path string) (*types.Package, error) {
	if other, ok := i.names[path]; ok {
		path = other
	}
	if p := i.packages[path]; p != nil {
		return p, nil
	}
	return nil, errors.New("it is not there: " + path)
}
