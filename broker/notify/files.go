package notify

import (
	"context"

	"penstock/audit"
)

// held are the files of a window that were looked at and wait. It is told once of
// all that wait together: how many there are stands on the board.
type held struct {
	files map[string]bool
	told  bool
}

// fileMoved takes a step of a file in.
func (s *story) fileMoved(b audit.FileMoved) {
	h := s.files[b.Window]
	switch {
	case b.To == "looked" && h == nil:
		s.files[b.Window] = &held{files: map[string]bool{b.File: true}}
	case b.To == "looked":
		h.files[b.File] = true
	case h != nil:
		if delete(h.files, b.File); len(h.files) == 0 {
			delete(s.files, b.Window)
		}
	}
}

// ofFile tells that a file waits: to nobody by name where none is on duty, and not
// again where another of its window was told, or where no person has to let it through.
func (s *story) ofFile(ctx context.Context, leaf audit.Leaf, n *Notice) (to []string) {
	b, is := leaf.Body.(audit.FileMoved)
	if !is || b.To != "looked" || s.o.FileAsks == nil || s.files[b.Window].told {
		return nil
	}
	who, waits, err := s.o.FileAsks(ctx, b.File)
	if err != nil {
		return nil // the board says it as well
	}
	if s.files[b.Window].told = waits; !waits {
		return nil
	}
	n.Type, n.Path, n.About = "file.waits", "/windows/"+b.Window+"#files", b.Window
	n.Text = "A file waits at " + b.Window + ". It was looked at, and does not go on before somebody lets it through."
	for _, id := range who {
		to = append(to, string(id))
	}
	return to
}
