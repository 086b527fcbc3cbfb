package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker/api"
)

const (
	operationsPast = 200 // sent at once, to who watches
	operationsPage = 500 // on one page
)

// operationsWords is what an inspector let through and refused on one stream.
func operationsWords(b audit.OperationsSummary) string {
	said := countWords(b.Allowed, " to ") + " let through"
	if len(b.Refused) > 0 {
		said += "; refused: " + countWords(b.Refused, " by ")
	}
	if b.Failed > 0 {
		said += fmt.Sprintf("; %d refused by the machine", b.Failed)
	}
	if b.Unanswered > 0 {
		said += fmt.Sprintf("; %d without an answer", b.Unanswered)
	}
	return fmt.Sprintf("operations on %s by %s: %s%s", b.Asset, b.Port, said, objectWords(b))
}

// objectWords are what was changed, the first few of it.
func objectWords(b audit.OperationsSummary) (says string) {
	const most = 12
	for _, part := range []struct {
		verb string
		by   map[string][]string
	}{{"changed: ", b.Changed}, {"set off: ", b.SetOff}} {
		var all []string
		for _, right := range slices.Sorted(maps.Keys(part.by)) {
			for _, s := range part.by[right] {
				if !slices.Contains(all, s) {
					all = append(all, s)
				}
			}
		}
		if n := len(all) - most; n > 0 {
			all = append(all[:most], fmt.Sprintf("%d more", n))
		}
		if len(all) > 0 {
			says += "; " + part.verb + strings.Join(all, ", ")
		}
	}
	if b.More > 0 {
		says += fmt.Sprintf("; %d more stand in the recording", b.More)
	}
	return says
}

func countWords(counts map[string]int, between string) string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%d%s%s", counts[k], between, k))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// operations sends what is done on a channel that an inspector reads, and once
// a second how much passes. Of more than can be looked at it sends the newest.
func (l *look) operations(ctx context.Context, w *review.Watching, write func([]byte) error) (why string) {
	var out bytes.Buffer
	var rows [][]byte
	skipped, looked, sent := 0, time.Time{}, time.Now()
	for {
		if time.Since(looked) >= watchLook {
			if err := l.mayStill(ctx); err != nil {
				return l.last(ctx, &out, write, err)
			}
			if c, err := l.target(); err == nil {
				addLine(&out, api.WatchLine{Mark: "p", In: c.In, Out: c.Out})
			}
			looked = time.Now()
		}
		wait, cancel := context.WithTimeout(ctx, watchLook)
		frame, err := w.Next(wait)
		cancel()
		idle := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		switch {
		case err == nil && frame.Mark == recording.Did:
			rows, skipped = keepLast(rows, skipped, frame)
		case err != nil && !idle:
			rowsTo(&out, rows, skipped)
			return l.last(ctx, &out, write, err)
		}
		if err == nil && w.Ready() && time.Since(sent) < watchLook {
			continue
		}
		rowsTo(&out, rows, skipped)
		rows, skipped, sent = nil, 0, time.Now()
		if out.Len() > 0 && write(out.Bytes()) != nil {
			return gone(ctx)
		}
		out.Reset()
	}
}

func rowsTo(out *bytes.Buffer, rows [][]byte, skipped int) {
	if skipped > 0 {
		addLine(out, api.WatchLine{Mark: "s", Text: fmt.Sprintf("%d operations before these are in the recording.", skipped)})
	}
	for _, line := range rows {
		out.Write(line)
	}
}

// keepLast adds a row to those that wait to be sent, and counts what there are too many of.
func keepLast(rows [][]byte, skipped int, f recording.Frame) ([][]byte, int) {
	o, err := recording.ParseOperation(f.Data)
	if err != nil {
		return rows, skipped
	}
	var line bytes.Buffer
	text := fmt.Sprintf("%d: %s", o.N, o.Words())
	addLine(&line, api.WatchLine{At: f.At.Seconds(), Mark: "d", Text: text, Refused: o.Refused() || o.Failed})
	if rows = append(rows, line.Bytes()); len(rows) > operationsPast {
		rows, skipped = rows[1:], skipped+1
	}
	return rows, skipped
}

// lastRows is what was done last, newest last.
func lastRows(ctx context.Context, w *review.Watching) (string, error) {
	var rows []string
	for w.Ready() {
		f, err := w.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		if f.Mark != recording.Did {
			continue
		}
		if o, err := recording.ParseOperation(f.Data); err == nil {
			rows = append(rows, fmt.Sprintf("%d: %s", o.N, o.Words()))
			rows = rows[max(0, len(rows)-lastLines):]
		}
	}
	return strings.Join(rows, "\n"), nil
}

// operationsView is the list of one recorded channel.
type operationsView struct {
	Session, Channel string
	All              bool // what only looked too
	Lines            []operationLine
	Looked, More     int // that are not listed
}

type operationLine struct {
	At      stamp
	N       uint64
	Says    string
	Refused bool
}

// operationsList shows what was done on a channel that an inspector read. It
// goes through the Book: that somebody looked is an event.
func (g *Pages) operationsList(v *visit) error {
	ch, err := channelOf(v.r)
	if err != nil {
		return err
	}
	id := v.r.PathValue("id")
	rec, err := g.Book.Read(v.ctx(), v.reader("export", "operations"), id)
	if err != nil {
		return err
	}
	defer rec.Close()
	view := operationsView{Session: id, Channel: v.r.URL.Query().Get("channel"), All: v.r.URL.Query().Get("all") != ""}
	for o, err := range rec.Operations(ch) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break // it still runs, or a crash tore it
		}
		if err != nil {
			return err
		}
		switch {
		case o.Looked() && !o.Failed && !view.All:
			view.Looked++
		case len(view.Lines) >= operationsPage:
			view.More++
		default:
			line := operationLine{At: v.at(o.Wall), N: o.N, Says: o.Words(), Refused: o.Refused() || o.Failed}
			if o.Outcome != "" && o.Outcome != "done" {
				line.Says += ": " + o.Outcome
			}
			view.Lines = append(view.Lines, line)
		}
	}
	return g.show(v, http.StatusOK, "operations", "Operations of "+id, view)
}
