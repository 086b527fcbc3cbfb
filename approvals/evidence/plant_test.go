package evidence

import (
	"os"
	"testing"

	"penstock/audit"
	"penstock/policy"
)

// plantText is the plant file of all tests here.
var plantText = func() string {
	b, err := os.ReadFile("evidencetest/plant.yaml")
	if err != nil {
		panic(err)
	}
	return string(b)
}()

func testPlant(t testing.TB, text string) (*policy.Plant, audit.Hash) {
	t.Helper()
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p, audit.HashOf(p.Document())
}
