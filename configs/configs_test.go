package configs

import (
	"testing"
	"time"

	"penstock/policy"
)

// The stories without a date begin here, so that they mean the same every day.
var base = time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)

func TestTheExamplePlantIsSound(t *testing.T) {
	plant, problems := policy.Parse(PlantMain, Plant())
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
	plant, problems := policy.Parse(PlantMain, Plant())
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
	for _, s := range stories {
		for _, off := range s.Check(plant, base) {
			t.Errorf("%s: %s", s.Place, off)
		}
	}
}
