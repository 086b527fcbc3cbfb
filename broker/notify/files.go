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

// nobody stands for people where none is on duty: it is told all the same, to no mailbox.
const nobody = "-"

// fileAsks takes a step of a file in, and gives who is to hear of it, or nobody; nothing
// where another of its window was told already, or no person has to let it through.
func (s *story) fileAsks(ctx context.Context, b audit.FileMoved, wanted bool) (to []string) {
	h := s.files[b.Window]
	if b.To != "looked" {
		if h != nil {
			if delete(h.files, b.File); len(h.files) == 0 {
				delete(s.files, b.Window)
			}
		}
		return nil
	}
	if h == nil {
		h = &held{files: map[string]bool{}}
		s.files[b.Window] = h
	}
	h.files[b.File] = true
	if !wanted || h.told || s.o.FileAsks == nil {
		return nil
	}
	who, waits, err := s.o.FileAsks(ctx, b.File)
	if err != nil {
		return nil // the board says it as well
	}
	if h.told = waits; !waits {
		return nil
	}
	for _, id := range who {
		to = append(to, string(id))
	}
	return append(to, nobody)
}
