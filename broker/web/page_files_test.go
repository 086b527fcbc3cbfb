package web

import (
	"testing"

	"penstock/audit"
)

func TestTransfersInWords(t *testing.T) {
	h := audit.HashOf([]byte("x"))
	const hex = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
	for want, b := range map[string]audit.FileTransferred{
		"▲ recipe.bin, 3000 kB, whole · /in/recipe.bin · by sftp · SHA-256 " + hex:               {By: "sftp", Direction: "in", Path: "/in/recipe.bin", Bytes: 3000001, SHA256: h, Hashed: "content", Whole: true},
		"▼ log, 5 bytes, not whole (broke off) · /log · by scp · SHA-256 " + hex:                 {By: "scp", Direction: "out", Path: "/log", Bytes: 5, SHA256: h, Hashed: "content", Why: "broke off"},
		"▼ r.git, 5 bytes, whole · /r.git · by git · SHA-256 of what git sent " + hex:            {By: "git", Direction: "out", Path: "/r.git", Bytes: 5, SHA256: h, Hashed: "stream", Whole: true},
		"▲ x, 5 bytes, not whole (not known to be) · x · by sftp · SHA-256 of its pieces " + hex: {By: "sftp", Direction: "in", Path: "x", Bytes: 5, SHA256: h, Hashed: "ranges"},
	} {
		if got := fileWords(b); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}
