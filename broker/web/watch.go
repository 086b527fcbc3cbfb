package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/policy"
)

const (
	watchLook  = time.Second // how often a watch asks whether the watcher still may
	watchBatch = 64 << 10    // bytes that are written at once
	watchPast  = 64 << 10    // of what came before; where there is more, the terminal as it stands is sent
	watchGone  = 5 * time.Second
)

// look is one person who watches one channel. Pages and the API differ in how
// they know that the person still is who they were: still.
type look struct {
	s       *server
	actor   people.Actor
	says    string // name and role, as the vendor reads it
	session policy.SessionID
	channel int
	still   func(context.Context) (people.Actor, error)
}

var (
	notYours = &policy.Refusal{Rule: "watch-not-yours", Say: "You may watch in the zones that you are shift or owner of. Ask their shift, or OT security."}
	notIn    = &policy.Refusal{Rule: "not-in", Say: "That session or channel is over, or there is none of that name. What it did is under Recordings."}
)

// watchCall is the API's: application/x-ndjson, until the channel ends.
func (s *server) watchCall(w http.ResponseWriter, r *http.Request) {
	a, err := s.actor(r)
	if err == nil && !a.Plant {
		err = notYours
	}
	if err == nil {
		var p people.Person
		if p, err = s.Roster.Person(r.Context(), a.Person); err == nil {
			l := look{s: s, actor: a, says: p.Name, session: policy.SessionID(r.PathValue("id")), still: s.stillThere(r, p)}
			if l.channel, err = channelOf(r); err == nil {
				err = l.run(r.Context(), w)
			}
		}
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

func channelOf(r *http.Request) (int, error) {
	ch, err := strconv.Atoi(r.URL.Query().Get("channel"))
	if err != nil || ch < 0 {
		return 0, badCall{errors.New("say channel=0 or above")}
	}
	return ch, nil
}

// stillThere looks a token's person up again, and the token as long as it would
// count: it lasts minutes, a watch hours. Who signs out, is disabled or gets
// another password or firm watches no longer.
func (s *server) stillThere(r *http.Request, then people.Person) func(context.Context) (people.Actor, error) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	began := s.Now()
	was, _ := then.Key(people.Password)
	a, _ := s.tokens.check(token)
	c, _ := s.tokens.read(token)
	return func(ctx context.Context) (people.Actor, error) {
		p, err := s.Roster.Person(ctx, then.ID)
		if err != nil {
			return a, fmt.Errorf("look up who watches: %w", err)
		}
		_, live := s.tokens.check(token)
		is, has := p.Key(people.Password)
		if p.Disabled || p.Firm != then.Firm || !has || is.Sealed != was.Sealed || !live && s.Now().Unix() < c.Until || s.Now().Sub(began) > sessionLife {
			return a, errSignedOut
		}
		a.Firm, a.Roles = p.Firm, a.Narrow(p.Roles)
		return a, nil
	}
}

// target finds the channel among those that are open, and says whether the
// actor may look on there.
func (l *look) target() (broker.LiveChannel, error) {
	in, ok := l.s.Broker.Session(l.session)
	i := slices.IndexFunc(in.Channels, func(c broker.LiveChannel) bool { return c.Number == l.channel })
	if !ok || i < 0 {
		return broker.LiveChannel{}, notIn
	}
	c := in.Channels[i]
	if !l.actor.Plant || !l.s.Book.MayWatch(reader(l.actor, "watch", ""), string(c.Target.Asset)) {
		return c, notYours
	}
	return c, nil
}

// begin is what stands before the first byte: a right, a place among those who
// watch, the event. The vendor is told by the broker.
func (l *look) begin(ctx context.Context) (w *review.Watching, c broker.LiveChannel, leave func(), err error) {
	if c, err = l.target(); err != nil {
		return nil, c, nil, err
	}
	leave, err = l.s.Broker.Watch(l.session, l.actor.Person, l.says+l.s.roleThere(l.actor, c.Target.Asset))
	if err != nil {
		return nil, c, nil, err
	}
	w, err = l.s.Book.Watch(ctx, reader(l.actor, "watch", ""), string(l.session), l.channel, string(c.Target.Asset))
	if err != nil {
		leave()
		if errors.Is(err, recording.ErrNotRunning) {
			err = notIn
		}
		return nil, c, nil, err
	}
	return w, c, leave, nil
}

// roleThere is the role by which somebody looks on, in words.
func (s *server) roleThere(a people.Actor, asset policy.AssetName) string {
	plant := s.Plant()
	t, _ := plant.Asset(asset)
	z, _ := plant.Zone(t.Zone)
	for _, r := range append([]policy.Role{z.Opener(), z.Owner, "ot-security"}, a.Roles...) {
		if team, ok := plant.Team(r); ok && a.Has(r) {
			return ", " + team.Title
		}
	}
	return ""
}

// run streams until the channel ends, the reader goes, or may not any more. An
// error came before the first byte.
func (l *look) run(ctx context.Context, w http.ResponseWriter) error {
	watching, c, leave, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer leave()
	write := streams(ctx, w, "application/x-ndjson")
	why := ""
	switch {
	case c.Legible():
		why = l.frames(ctx, watching, write)
	case c.Inspect != "":
		why = l.operations(ctx, watching, write)
	default:
		why = l.passing(ctx, write)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchGone)
	defer cancel()
	if err := watching.Leave(after, why); err != nil {
		l.s.Slog.Error("that somebody watches no longer could not be written", "session", l.session, "person", l.actor.Person, "err", err)
	}
	return nil
}

// Why a watch ends, as review.closed keeps it.
const (
	watcherLeft = "left"
	watcherSlow = "did not read, or the line broke"
	watchedOver = "the channel ended"
)

// frames sends what is durable, and then what becomes so.
func (l *look) frames(ctx context.Context, w *review.Watching, write func([]byte) error) (why string) {
	var out bytes.Buffer
	if err := lookBack(ctx, &out, w); err != nil {
		return l.last(ctx, &out, write, err)
	}
	if out.Len() > 0 && write(out.Bytes()) != nil {
		return gone(ctx)
	}
	out.Reset()
	looked := time.Now()
	for {
		wait, cancel := context.WithTimeout(ctx, watchLook)
		frame, err := w.Next(wait)
		cancel()
		idle := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		switch {
		case err == nil:
			addFrame(&out, frame)
		case idle:
			addLine(&out, api.WatchLine{Mark: "."})
		default:
			return l.last(ctx, &out, write, err)
		}
		if time.Since(looked) >= watchLook || idle {
			if err := l.mayStill(ctx); err != nil {
				return l.last(ctx, &out, write, err)
			}
			looked = time.Now()
		}
		if out.Len() < watchBatch && err == nil && w.Ready() {
			continue
		}
		if out.Len() > 0 && write(out.Bytes()) != nil {
			return gone(ctx)
		}
		out.Reset()
	}
}

// lookBack writes what came before: all of it, or how the terminal stands now.
// The frame that follows is the very next.
func lookBack(ctx context.Context, out *bytes.Buffer, w *review.Watching) error {
	frames, m, err := w.Late(ctx, watchPast)
	if err != nil {
		return err
	}
	for _, f := range frames {
		addFrame(out, f)
	}
	if m == nil {
		return nil
	}
	at := m.At.Seconds()
	if m.Screen.Pty {
		cols, rows := m.Screen.Size()
		addLine(out, api.WatchLine{At: at, Mark: "r", Cols: cols, Rows: rows})
	}
	text := "What came before is in the recording."
	if !m.Whole {
		text += " What they do not draw anew is blank here."
	}
	addLine(out, api.WatchLine{At: at, Mark: "s", Text: text})
	addLine(out, api.WatchLine{At: at, Mark: "o", Data: m.Screen.Again()})
	return nil
}

// passing tells how much passes where there is nothing to read: files and streams.
func (l *look) passing(ctx context.Context, write func([]byte) error) (why string) {
	tick := time.NewTicker(watchLook)
	defer tick.Stop()
	var out bytes.Buffer
	for {
		c, err := l.target()
		if err == nil {
			err = l.mayStill(ctx)
		}
		if err != nil {
			if errors.Is(err, notIn) {
				err = io.EOF
			}
			return l.last(ctx, &out, write, err)
		}
		addLine(&out, api.WatchLine{Mark: "p", In: c.In, Out: c.Out})
		if write(out.Bytes()) != nil {
			return gone(ctx)
		}
		out.Reset()
		select {
		case <-ctx.Done():
			return watcherLeft
		case <-tick.C:
		}
	}
}

func gone(ctx context.Context) string {
	if ctx.Err() != nil {
		return watcherLeft
	}
	return watcherSlow
}

// mayStill asks anew for the person and for the right.
func (l *look) mayStill(ctx context.Context) error {
	a, err := l.still(ctx)
	if err != nil {
		return err
	}
	l.actor = a
	if _, err := l.target(); err != nil && !errors.Is(err, notIn) { // what is over still shows its end
		return err
	}
	return nil
}

// last writes the line that says why there is no other.
func (l *look) last(ctx context.Context, out *bytes.Buffer, write func([]byte) error, err error) (why string) {
	var damage *recording.Damage
	mark, text := "out", ""
	switch {
	case err == io.EOF:
		mark, why, text = "end", watchedOver, "It has ended."
	case ctx.Err() != nil:
		return watcherLeft
	case errors.Is(err, errSignedOut):
		why, text = "signed out", "You are signed out."
	case errors.As(err, &damage):
		why, text = "the recording is damaged", "The recording is damaged here. Tell OT security; penstock-verify says more."
	default:
		why, text = say(err), say(err)
	}
	if why != watchedOver {
		l.s.Slog.Info("a watch ended", "session", l.session, "channel", l.channel, "person", l.actor.Person, "err", err)
	}
	addLine(out, api.WatchLine{Mark: mark, Text: text})
	_ = write(out.Bytes()) // the reader may be gone
	return why
}

// addFrame writes what a watcher may see of a frame. What the vendor types is
// not among it: where there is no echo it is a password, and where there is one
// the machine's own echo shows it.
func addFrame(out *bytes.Buffer, f recording.Frame) {
	at := f.At.Seconds()
	if cols, rows, ok := f.Size(); ok {
		addLine(out, api.WatchLine{At: at, Mark: "r", Cols: cols, Rows: rows})
		return
	}
	switch f.Mark {
	case recording.Out, recording.Err:
		addLine(out, api.WatchLine{At: at, Mark: "o", Data: f.Data})
	case recording.Note:
		addLine(out, api.WatchLine{At: at, Mark: "m", Text: string(f.Data)})
	case recording.Exit:
		addLine(out, api.WatchLine{At: at, Mark: "x", Text: string(f.Data)})
	}
}

func addLine(out *bytes.Buffer, line api.WatchLine) {
	_ = json.NewEncoder(out).Encode(line) // into memory; a WatchLine can be written
}
