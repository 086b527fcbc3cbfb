package web

import (
	"fmt"
	"net/http"
	"strings"

	"penstock/audit"
)

// newestLeaves is how many the log page shows.
const newestLeaves = 100

type logView struct {
	Size         int64
	Root, Origin string
	Checkpoint   string
	Leaves       []EventLine
	Older, Newer int64 // where to go on; -1: nowhere
	Key          string
	Outside      outsideView
}

func (g *Pages) logPage(v *visit) error {
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	size := g.log.Size()
	end := size
	if s := v.r.URL.Query().Get("before"); s != "" {
		var at uint64
		if _, err := fmt.Sscanf(s, "%d", &at); err == nil && audit.Index(at) < size {
			end = audit.Index(at)
		}
	}
	from := end - min(end, newestLeaves)
	view := logView{Size: int64(size), Older: -1, Newer: -1, Checkpoint: string(g.log.Checkpoint()), Key: g.Authorities().LogKey, Outside: g.outside(v)}
	if lines := strings.Split(view.Checkpoint, "\n"); len(lines) > 3 {
		view.Origin, view.Root = lines[0], lines[2]
	}
	for leaf, err := range g.log.Upto(v.ctx(), from) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if leaf.Index >= end {
			break
		}
		view.Leaves = append([]EventLine{v.event(leaf, n)}, view.Leaves...)
	}
	if from > 0 {
		view.Older = int64(from)
	}
	if end < size {
		view.Newer = int64(min(size, end+newestLeaves))
	}
	return g.show(v, http.StatusOK, "log", "Log", view)
}

// checkpoint is the signed note as a file, to be kept outside.
func (g *Pages) checkpoint(v *visit) error {
	b := g.log.Checkpoint()
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"checkpoint-%d.txt\"", g.log.Size()))
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}
