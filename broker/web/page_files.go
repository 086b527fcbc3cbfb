package web

import (
	"cmp"
	"path"
	"strings"

	"penstock/audit"
	"penstock/audit/recording"
)

// fileWords is a transfer as a person reads it: ▲ to the machine, ▼ from it,
// name, size, whether it was whole, where, and the hash to compare.
func fileWords(b audit.FileTransferred) string {
	arrow := "▼"
	if b.Direction == "in" {
		arrow = "▲"
	}
	state := "whole"
	if !b.Whole {
		state = "not whole (" + cmp.Or(b.Why, "not known to be") + ")"
	}
	of := ""
	switch b.Hashed {
	case "ranges":
		of = " of its pieces"
	case "stream":
		of = " of what " + b.By + " sent"
	}
	if b.File != "" {
		state += ", let out as " + b.File
	}
	return arrow + " " + path.Base(b.Path) + ", " + bytesText(b.Bytes) + ", " + state + " · " + b.Path + " · by " + b.By + " · SHA-256" + of + " " +
		strings.TrimPrefix(b.SHA256.String(), "sha256:")
}

// carriesFiles: what passed in such a channel is no text for a screen.
func carriesFiles(kind string) bool {
	return recording.CarriesFiles(kind)
}
