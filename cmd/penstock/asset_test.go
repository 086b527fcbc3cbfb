package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func runAsset(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	return typed(t, assetCommand(), args...)
}

// A sheet goes into the imported file and nowhere else, and only when told to.
func TestAssetImport(t *testing.T) {
	dir := plantFolder(t)
	plant, into, sheet := filepath.Join(dir, "plant.yaml"), filepath.Join(dir, "imported.yaml"), filepath.Join(dir, "machines.csv")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(sheet, "asset;tag;zone;level;ip;ports\nlabeller;LAB-1;line-1;1;10.20.1.77;ssh/viewer=look~device\nold plc;OLD;Halle 7;;;\n")
	run := func(want int, says string, args ...string) {
		t.Helper()
		code, out := runAsset(t, append([]string{"import", sheet, "--plant", plant}, args...)...)
		if code != want || !strings.Contains(out, says) {
			t.Errorf("%v: exit %d, want %d with %q:\n%s", args, code, want, says, out)
		}
	}
	run(exitUsage, "imported: [imported.yaml]") // the plant file does not name it yet
	text, err := os.ReadFile(plant)
	if err != nil {
		t.Fatal(err)
	}
	put(plant, string(text)+"\nimported: [imported.yaml]\n")
	run(0, "new        labeller")
	if _, err := os.Stat(into); err == nil {
		t.Error("a dry run wrote a file")
	}
	run(exitUsage, "leave one out", "--apply", "--dry-run")
	run(0, "Written: ", "--apply")
	if code, out := runPolicy(t, "explain", plant, "--asset", "old-plc", "--account", "x", "--rights", "look"); code != exitNo || !strings.Contains(out, "no-zone") {
		t.Errorf("a machine without a zone: exit %d\n%s", code, out)
	}
	run(0, "2 the same", "--apply")
	put(sheet, "asset;ip\nlabeller;nowhere\n")
	run(exitError, "1 lines cannot be read, so nothing is written", "--apply")
	run(0, "stale      old-plc", "--apply", "--leave-out")
	put(sheet, "asset;tag;zone;level;ip;ports\nlabeller;LAB-1;line-1;1;10.20.1.77;modbus=device\n")
	run(exitError, "nothing is written", "--apply") // no conduit carries modbus with device: nobody could use it
	if now, _ := os.ReadFile(plant); string(now) != string(text)+"\nimported: [imported.yaml]\n" {
		t.Error("the plant file itself was changed")
	}
}

func TestAssetQuestions(t *testing.T) {
	plant := filepath.Join(plantFolder(t), "plant.yaml")
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"stops", "chiller-plc"}, 0, "Filling line 1 (filling-1), criticality 1, fed by pasteur"},
		{[]string{"interlocks", "safety-plc"}, 0, "Guard door 3 of filler-plc trips safety-plc"},
		{[]string{"firmware", "chiller-plc"}, 0, "Polar C2 4.20"},
		{[]string{"reach", "filler-plc", "--at", "2026-11-24 03:07"}, 0, "no   filler-plc by ssh as maint: this work waits for line-1-outage"},
		{[]string{"reach", "filler-plc", "--at", "2026-11-24 03:07"}, 0, "yes  filler-plc by ssh as viewer: look; must agree: shift"},
		{[]string{"reach", "filler-plc", "--at", "noon"}, exitUsage, "--at"},
		{[]string{"stops", "nobody"}, exitNo, "no asset"},
	} {
		code, out := runAsset(t, append(row.args, "--plant", plant)...)
		if code != row.code || !strings.Contains(out, row.says) {
			t.Errorf("asset %v: exit %d, want %d with %q:\n%s", row.args, code, row.code, row.says, out)
		}
	}
	if code, out := runPolicy(t, "debt", plant); code != 0 || !strings.Contains(out, "asset cip-plc: its host key is not pinned") {
		t.Errorf("policy debt: exit %d\n%s", code, out)
	}
}
