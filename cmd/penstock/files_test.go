package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals/people"
)

// TestExamples: the files that a plant starts from are taken as they are.
func TestExamples(t *testing.T) {
	dir := filepath.Join(house, "configs")
	f, err := readServerFile(filepath.Join(dir, "penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := people.ParseBootstrap("bootstrap.yaml", b, p.plant.HasRole); err != nil {
		t.Fatal(err)
	}
}

// TestServerFile: each fault is told with its place and a hint, all at once.
func TestServerFile(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"nothing":          {"", "penstock.yaml"},
		"no name":          {"data: d\nplant: p.yaml\n", "name"},
		"unknown key":      {"name: b.example\ndata: d\nplant: p.yaml\nplants: q\n", "penstock.yaml:4:1"},
		"twice":            {"name: b.example\ndata: d\ndata: e\nplant: p.yaml\n", "penstock.yaml:3:1"},
		"bad address":      {"name: b.example\ndata: d\nplant: p.yaml\nssh: {listen: 'everywhere'}\n", "penstock.yaml:4:15"},
		"port 0":           {"name: b.example\ndata: d\nplant: p.yaml\nssh: {listen: ':0'}\n", "penstock.yaml:4:15"},
		"bad name":         {"name: b..example\ndata: d\nplant: p.yaml\n", "no host name"},
		"yes for a bool":   {"name: b.example\ndata: d\nplant: p.yaml\nloopback_targets: yes\n", "penstock.yaml:4:19"},
		"no size":          {"name: b.example\ndata: d\nplant: p.yaml\nmin_free: lots\n", "penstock.yaml:4:11"},
		"two faults":       {"name: b..example\nnode: A B\ndata: d\nplant: p.yaml\n", "penstock.yaml:2:7"},
		"two faults, both": {"name: b..example\nnode: A B\ndata: d\nplant: p.yaml\n", "penstock.yaml:1:7"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "penstock.yaml")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readServerFile(path)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want a problem with %q", err, row.want)
			}
		})
	}
}
