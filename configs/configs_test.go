package configs

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"

	"penstock/policy"
)

func TestTheExamplePlantIsSound(t *testing.T) {
	plant, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, PlantMain, Plant())
	if problems != nil {
		t.Fatal(problems)
	}
	again, problems := policy.ParseBundle(plant.Document())
	if problems != nil || string(again.Document()) != string(plant.Document()) {
		t.Fatal("the example does not survive its bundle", problems)
	}
	sheet, _ := plant.Asset("filler-plc")
	port, _ := sheet.Port("modbus")
	if len(port.Registers) != 6 || sheet.Is.Firmware != "4.2.1" {
		t.Errorf("registers %d, firmware %q", len(port.Registers), sheet.Is.Firmware)
	}
}

func TestEveryStoryOfTheExampleHolds(t *testing.T) {
	plant, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, PlantMain, Plant())
	if problems != nil {
		t.Fatal(problems)
	}
	stories, problems := policy.ParseStories("plant.test.yaml", PlantStories())
	if problems != nil {
		t.Fatal(problems)
	}
	if len(stories) < 15 {
		t.Fatalf("%d stories", len(stories))
	}
	// whatever the season: the last day is the first of the freeze
	for _, today := range []string{"2026-09-01T06:00:00Z", "2026-10-24T12:00:00Z", "2026-11-22T18:00:00Z", "2026-12-04T23:00:00Z", "2026-12-18T00:00:00Z"} {
		base, err := time.Parse(time.RFC3339, today)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stories {
			for _, off := range s.Check(plant, base) {
				t.Errorf("on %s: %s: %s", today, s.Place, off)
			}
		}
	}
}

// Nobody adds a module without saying why.
func TestEveryDirectModuleHasItsReason(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if !r.Indirect && !strings.Contains(string(readme), "| "+r.Mod.Path+" | ") {
			t.Errorf("configs/README.md does not say why we depend on %s", r.Mod.Path)
		}
	}
}

func TestTheServerExampleIsThere(t *testing.T) {
	text, err := os.ReadFile("penstock.yaml")
	if err != nil || !strings.Contains(string(text), "plant: plant.yaml") {
		t.Errorf("the example penstock.yaml does not name the example plant file: %v", err)
	}
}
