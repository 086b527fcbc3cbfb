// Package configs holds the examples that Penstock ships. The plant file with all
// that it names and its stories are embedded: the demo writes them out. It reads no
// file at run time and judges nothing; that the examples are sound is what its tests
// hold.
package configs

import (
	"embed"
	"io/fs"
)

//go:embed plant.yaml plant.test.yaml registers
var examples embed.FS

// PlantMain is the name of the plant file among Plant's files.
const PlantMain = "plant.yaml"

// Plant is the example plant file and the files it names, as policy.Parse
// takes them.
func Plant() map[string][]byte {
	files := map[string][]byte{PlantMain: must(PlantMain)}
	sheets, err := fs.Glob(examples, "registers/*.csv")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range sheets {
		files[name] = must(name)
	}
	return files
}

// PlantStories is the example's plant.test.yaml.
func PlantStories() []byte { return must("plant.test.yaml") }

// must reads what the build embedded; a build without it does not pass its tests.
func must(name string) []byte {
	text, err := examples.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return text
}
