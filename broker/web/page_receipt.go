package web

import (
	"fmt"
	"io/fs"
	"strings"
)

// receiptFile downloads the receipts of all that the person did with one
// request or window, one on a line: penstock-verify --receipt takes such a file.
func (g *Pages) receiptFile(v *visit) error {
	id := v.r.PathValue("id")
	done, err := g.past.doings(v.ctx(), id, v.actor.Person)
	if err != nil {
		return err
	}
	if len(done) == 0 {
		return fmt.Errorf("receipts of %.40q: %w", id, fs.ErrNotExist)
	}
	var b strings.Builder
	for _, at := range done {
		text, err := g.receiptOf(v.ctx(), v.actor, at)
		if err != nil {
			return err
		}
		b.WriteString(text + "\n")
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"receipts-%s.txt\"", id)) // an id that the log knows has no quote
	_, _ = v.w.Write([]byte(b.String()))                                                                 // the reader may be gone
	return nil
}

// receipted says whether there is something for receiptFile to give.
func (g *Pages) receipted(v *visit, id string) (bool, error) {
	done, err := g.past.doings(v.ctx(), id, v.actor.Person)
	return len(done) > 0, err
}
