package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"penstock/audit/recording"
)

type playView struct {
	RecordingView
	Channel recordedChannel
	Marks   []mark
	From    float64 // second at which it begins to play
}

// mark is an event beside the player, in seconds since the channel's begin.
type mark struct {
	EventLine
	Second float64
}

// Sign is how the mark looks on the timeline.
func (m mark) Sign() string {
	switch {
	case m.Type == "file.transferred":
		return "▲"
	case m.Weight == "note":
		return "✎"
	case m.Weight == "refused":
		return "■"
	case m.Weight == "moved":
		return "●"
	}
	return "·"
}

func (g *Pages) playPage(v *visit) error {
	view, err := g.recordingOf(v)
	if err != nil {
		return err
	}
	if s := view.Sealed; s != nil && s.Until.IsZero() {
		return fmt.Errorf("play %s: %w", view.Session, recording.ErrSealed)
	}
	n, err := strconv.Atoi(v.r.URL.Query().Get("channel"))
	i := slices.IndexFunc(view.Channels, func(c recordedChannel) bool { return err == nil && c.Number == n })
	if i < 0 {
		return fmt.Errorf("channel %.20q of %s: %w", v.r.URL.Query().Get("channel"), view.Session, fs.ErrNotExist)
	}
	play := playView{view, view.Channels[i], nil, second(v.r)}
	for _, e := range view.Events {
		if after := e.At.Sub(play.Channel.Open.Time); after >= 0 && (play.Channel.Close.IsZero() || !e.At.After(play.Channel.Close.Time)) {
			play.Marks = append(play.Marks, mark{e, after.Seconds()})
		}
	}
	if view.Review != nil {
		for _, note := range view.Review.Notes {
			if note.Channel == n {
				at := v.at(play.Channel.Open.Add(note.Into))
				play.Marks = append(play.Marks, mark{EventLine{At: at, Who: note.Who, Says: note.Text, Type: "review.noted", Weight: "note"}, note.Into.Seconds()})
			}
		}
	}
	slices.SortStableFunc(play.Marks, func(a, b mark) int { return cmp.Compare(a.Second, b.Second) })
	v.w.Header().Set("Content-Security-Policy", playerPolicy)
	return g.show(v, http.StatusOK, "play", view.Session, play)
}

// longestPlay bounds the second at which a player may be asked to begin.
const longestPlay = 1e7

// second is where in the recording a link leads to.
func second(r *http.Request) float64 {
	t, err := strconv.ParseFloat(r.URL.Query().Get("t"), 64)
	if err != nil || !(t > 0 && t < longestPlay) {
		return 0
	}
	return t
}

const (
	pieceOutput = 512 << 10 // bytes of output in one piece that a player asks for
	pieceFirst  = 128 << 10 // the same in one that somebody waits for
	pieceEvents = 4096
	pieceRead   = 4 << 20 // bytes that are read for it, of all that passed
	mostSeeks   = 4       // pieces that are made at once, of all players; the others wait
)

// piece is what a player asks for: a bounded part of what was shown, and before
// it, where it asked for a moment, the screen as it stood.
type piece struct {
	Playing string      `json:"playing,omitempty"`
	Long    float64     `json:"long,omitempty"` // seconds from the channel's first frame to its last
	Screen  *pieceStart `json:"screen,omitempty"`
	Shown   []shown     `json:"shown"`
	Next    uint64      `json:"next"`             // the frame that follows
	End     bool        `json:"end,omitempty"`    // nothing does, now
	Broken  bool        `json:"broken,omitempty"` // what follows cannot be read
}

// pieceStart is a terminal; written to an empty one of its size, Draw makes it so.
type pieceStart struct {
	At    float64 `json:"at"`
	Cols  int     `json:"cols"`
	Rows  int     `json:"rows"`
	Pty   bool    `json:"pty"`
	Whole bool    `json:"whole"`
	Draw  []byte  `json:"draw"`
}

// shown is what came at a second: output, or another size of the terminal.
type shown struct {
	At   float64 `json:"at"`
	Out  []byte  `json:"out,omitempty"`
	Cols int     `json:"cols,omitempty"`
	Rows int     `json:"rows,omitempty"`
}

// playBegin is the one event of a playing, and its first piece.
func (g *Pages) playBegin(v *visit) error {
	ch, err := strconv.Atoi(v.r.URL.Query().Get("channel"))
	if err != nil || ch < 0 {
		return badCall{errors.New("say channel=0 or above")}
	}
	id, rec, err := g.Book.Play(v.ctx(), v.reader("play", ""), v.r.PathValue("id"), ch)
	if err != nil {
		return err
	}
	defer rec.Close()
	long, err := rec.Span(ch)
	if err != nil {
		return err
	}
	return g.piece(v, rec, ch, piece{Playing: id, Long: long.Seconds()})
}

// playOn is any further piece of it: from a moment (t), or from a frame (next).
func (g *Pages) playOn(v *visit) error {
	ch, rec, err := g.Book.PlayOn(v.reader("play", ""), v.r.PathValue("id"), v.r.PathValue("n"))
	if err != nil {
		return err
	}
	defer rec.Close()
	return g.piece(v, rec, ch, piece{})
}

func (g *Pages) piece(v *visit, rec *recording.Reader, ch int, p piece) error {
	select {
	case g.seeks <- struct{}{}:
		defer func() { <-g.seeks }()
	case <-v.ctx().Done():
		return context.Cause(v.ctx())
	}
	p.Shown = []shown{}
	size := pieceOutput
	if next := v.r.URL.Query().Get("next"); next != "" {
		n, err := strconv.ParseUint(next, 10, 63)
		if err != nil {
			return badCall{errors.New("say next= as the piece before did, or t= and a second")}
		}
		p.Next = n
	} else {
		at := time.Duration(second(v.r) * float64(time.Second))
		m, err := rec.Moment(ch, at)
		if err != nil {
			return err
		}
		cols, rows := m.Screen.Size()
		p.Screen = &pieceStart{At: at.Seconds(), Cols: cols, Rows: rows, Pty: m.Screen.Pty, Whole: m.Whole, Draw: m.Screen.Again()}
		p.Next, size = m.Next, pieceFirst
	}
	first, err := rec.Begin(ch)
	if err != nil {
		return err
	}
	if err := p.fill(rec, ch, first, size); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // a session that is still in ends in the middle
		p.Broken = true
		g.Slog.Error("a recording broke off while it was played", "session", rec.Header().Session, "channel", ch, "err", err)
	}
	v.w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(v.w).Encode(p)
}

// fill reads on until there are size bytes of output in the piece, or much else.
func (p *piece) fill(rec *recording.Reader, ch int, first time.Duration, size int) error {
	output, read := 0, 0
	for f, err := range rec.After(ch, p.Next) {
		if err != nil {
			p.End = true
			return err
		}
		p.Next = f.Seq + 1
		at := math.Max(0, (f.At - first).Seconds())
		if f.Mark == recording.Out || f.Mark == recording.Err {
			p.Shown = append(p.Shown, shown{At: at, Out: f.Data})
			output += len(f.Data)
		} else if cols, rows, ok := f.Size(); ok {
			cols, rows = recording.ScreenSize(cols, rows)
			p.Shown = append(p.Shown, shown{At: at, Cols: cols, Rows: rows})
		}
		if read += len(f.Data) + 64; output >= size || read >= pieceRead || len(p.Shown) >= pieceEvents {
			return nil
		}
	}
	p.End = true
	return nil
}
