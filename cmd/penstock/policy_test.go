package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"penstock/configs"
)

// plantFolder is a folder with the example plant file, its register sheets and
// its stories.
func plantFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := configs.Plant()
	files["plant.test.yaml"] = configs.PlantStories()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runPolicy types `penstock policy …` and returns all that is printed.
func runPolicy(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	return typed(t, policyCommand(), args...)
}

// typed runs one verb as it is typed, and returns all that is printed, the error last.
func typed(t *testing.T, c *cobra.Command, args ...string) (code int, out string) {
	t.Helper()
	var both bytes.Buffer
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(&both)
	c.SetErr(&both)
	c.SetArgs(args)
	err := c.Execute()
	if err != nil {
		both.WriteString(err.Error())
	}
	return exitCode(err), both.String()
}

func TestPolicyVerbs(t *testing.T) {
	dir := plantFolder(t)
	plant := filepath.Join(dir, "plant.yaml")
	text, err := os.ReadFile(plant)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	broken := write("broken.yaml", strings.Replace(strings.Replace(string(text), "sl_t: 3", "slt: 3", 1), "Europe/Berlin", "Europe/Kiel", 1))
	lost := write("lost.yaml", strings.Replace(string(text), "registers/fil-1.csv", "registers/none.csv", 1))
	outside := write("outside.yaml", strings.Replace(string(text), "registers/fil-1.csv", "../../etc/passwd", 1))
	wrong := write("wrong.yaml", string(text))
	write("wrong.test.yaml", strings.Replace(string(configs.PlantStories()), "is: allowed, asked: [shift]", "is: allowed, asked: [safety]", 1))
	write("mute.yaml", string(text))
	write("mute.test.yaml", "[]\n")
	onFiller := func(more ...string) []string {
		return append([]string{"explain", plant, "--asset", "filler-plc", "--at", "2026-11-24T03:07:00+01:00"}, more...)
	}
	for story, row := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"check says what is there":      {[]string{"check", plant}, 0, []string{"Fjord Dairy Kiel (kiel), Europe/Berlin: 5 zones, 3 conduits, 10 assets", "dmz → line-1  by ssh, sftp, modbus, vnc", "note: cip-plc has no pinned host key", "safety is never open to vendors"}},
		"check says all that is wrong":  {[]string{"check", broken}, 1, []string{broken + `:7:66: "Europe/Kiel" is no time zone`, `unknown key "slt" (is sl_t meant?)`, "there is no sl_t here", "has 3 problems; nothing of it is used"}},
		"check misses a file":           {[]string{"check", lost}, 1, []string{"there is no file registers/none.csv"}},
		"check reads nothing outside":   {[]string{"check", outside}, 1, []string{`"../../etc/passwd" is no relative file name`}},
		"check of nothing":              {[]string{"check", filepath.Join(dir, "none.yaml")}, 1, []string{"no such file"}},
		"check without a file":          {[]string{"check"}, 2, []string{"usage: penstock policy check FILE"}},
		"explain allows":                {onFiller("--account", "viewer", "--rights", "look", "--who", "krall/ann"), 0, []string{"Tue 2026-11-24 03:07 CET", "yes  conduit     path dmz, line-1 carries ssh with look", "must agree: shift", "allowed by look, path dmz → line-1"}},
		"explain refuses, and how else": {onFiller("--account", "maint", "--rights", "look"), 3, []string{"NO   account", "refused by account-can-more", "use viewer"}},
		"explain goes on after a no":    {onFiller("--account", "maint", "--rights", "look,copy,set,operate,load", "--minutes", "500"), 3, []string{"refused by too-long", "NO   calendar"}},
		"explain, and no gate says yes": {onFiller("--account", "recipes", "--rights", "look,copy,set", "--gate", "none"), 3, []string{"only these say yes: none", "refused by gate:line-1-key", "waits for"}},
		"explain, and one gate does":    {onFiller("--account", "recipes", "--rights", "look,copy,set", "--gate", "line-1-key"), 0, []string{"only these say yes: line-1-key"}},
		"explain a gate that is none":   {onFiller("--account", "recipes", "--rights", "look", "--gate", "line-9"), 2, []string{`"line-9" is no gate`}},
		"explain by JSON":               {onFiller("--account", "viewer", "--rights", "look", "--json"), 0, []string{`"allow": true`, `"target": "10.20.1.11:22"`}},
		"explain for the plant itself":  {[]string{"explain", plant, "--asset", "safety-plc", "--rights", "look", "--who", "kiel/mia"}, 3, []string{"unknown-port"}},
		"explain of unknown rights":     {onFiller("--rights", "lok"), 2, []string{`unknown right "lok"`}},
		"explain at no moment":          {onFiller("--rights", "look", "--at", "soon"), 2, []string{`"soon" is no moment`}},
		"explain for nobody":            {onFiller("--rights", "look", "--who", "ann"), 2, []string{`"ann" is nobody`}},
		"explain no asset":              {[]string{"explain", plant, "--rights", "look"}, 2, []string{"say which asset"}},
		"explain a broken file":         {[]string{"explain", broken, "--asset", "x", "--rights", "look"}, 1, []string{"is no time zone"}},
		"the stories come out as told":  {[]string{"test", plant}, 0, []string{"stories, all as told"}},
		"a story comes out otherwise":   {[]string{"test", wrong}, 1, []string{"wrong.test.yaml:7:3: asked is shift, not safety", "came out otherwise"}},
		"no story is no test":           {[]string{"test", filepath.Join(dir, "mute.yaml")}, 1, []string{"tells no story"}},
		"no stories beside it":          {[]string{"test", lost}, 1, []string{"there is no file"}},
	} {
		t.Run(story, func(t *testing.T) {
			code, out := runPolicy(t, row.args...)
			if code != row.code {
				t.Errorf("exit %d, not %d", code, row.code)
			}
			for _, want := range row.want {
				if !strings.Contains(out, want) {
					t.Errorf("nobody says %q", want)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

func TestPolicyCheckJSON(t *testing.T) {
	dir := plantFolder(t)
	code, out := runPolicy(t, "check", "--json", filepath.Join(dir, "plant.yaml"))
	var view struct {
		Sound    bool  `json:"sound"`
		Problems []any `json:"problems"`
		Assets   int   `json:"assets"`
	}
	if err := json.Unmarshal([]byte(out), &view); err != nil || code != 0 || !view.Sound || len(view.Problems) != 0 || view.Assets != 10 {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}
