package audit

import "fmt"

// Damage says where a stored log is not what was written. It is never mended.
type Damage struct {
	File   string // path of the file
	Offset int64  // byte in it, where the damaged frame or value starts; -1: not one place
	Index  Index  // the leaf, or the first of those, that cannot be relied on
	What   string
}

func (d *Damage) Error() string {
	at := ""
	if d.Offset >= 0 {
		at = fmt.Sprintf(" byte %d,", d.Offset)
	}
	return fmt.Sprintf("%s:%s leaf %d: %s", d.File, at, d.Index, d.What)
}
