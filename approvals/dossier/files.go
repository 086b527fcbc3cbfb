package dossier

import (
	"penstock/audit"
)

// held tells a file that waited, and who let it through, among the files of its window.
func (b *Book) held(l audit.Leaf, e audit.FileHeld) {
	way := "sent by %s, held; it is to go"
	if e.Direction == "out" {
		way = "asked for by %s, fetched and held; it is to be taken out"
	}
	b.to(e.Window, files, l, "%s: %s, %s%s, %d bytes, %s: "+way, e.File, e.Path, e.Asset, as(e.Account), e.Bytes, e.SHA256, b.who(e.Person))
}

var fileSteps = map[string]string{"looked": "looked into", "released": "let through", "refused": "refused", "delivering": "handed on", "delivered": "where it was to go", "expired": "deleted"}

func (b *Book) fileMoved(l audit.Leaf, e audit.FileMoved) {
	looked := ""
	if e.Scan != "" {
		looked = ": " + e.Kind + " by its first bytes, the scanner says " + e.Scan
	}
	b.to(e.Window, files, l, "%s: %s by %s%s%s", e.File, fileSteps[e.To], b.who(e.By), looked, why(e.Why))
}
