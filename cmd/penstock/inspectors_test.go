package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/configs"
)

// TestNoInspectorForIt: a plant file that leaves a port to an inspector which
// this build has not is refused by policy check, and serve does not start on it.
func TestNoInspectorForIt(t *testing.T) {
	for name, row := range map[string]struct{ from, to, say string }{
		"vnc":     {"vnc: {rights: [look, set, operate], enforced: nobody}", "vnc: {rights: [look, set, operate], enforced: penstock}", "no inspector for vnc in this build"},
		"https":   {"https: {rights: [look], enforced: device}", "https: {rights: [look], enforced: penstock}", "no inspector for https in this build"},
		"a shell": {"viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look], enforced: penstock}", "no inspector for ssh in this build"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := plantFolder(t)
			plant := filepath.Join(dir, configs.PlantMain)
			text, err := os.ReadFile(plant)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(text), row.from, row.to, 1)
			if changed == string(text) {
				t.Fatalf("the example plant file has no %q", row.from)
			}
			config := filepath.Join(dir, "penstock.yaml")
			for path, text := range map[string]string{plant: changed, config: "name: broker.example\ndata: data\nplant: plant.yaml\nssh: {listen: \"127.0.0.1:1\"}\nhttps: off\n"} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if code, out := runPolicy(t, "check", plant); code != exitError || !strings.Contains(out, row.say) || !strings.Contains(out, "say enforced: nobody, or device") {
				t.Errorf("policy check ended with %d and said\n%s", code, out)
			}
			if err := serveFile(t.Context(), config, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), row.say) {
				t.Errorf("serve: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
				t.Error("serve has made its data directory before it read the plant file")
			}
		})
	}
}
