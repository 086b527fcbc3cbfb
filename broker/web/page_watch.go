package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker"
	"penstock/policy"
)

// watchView is a session that runs, as somebody of the plant sees it. Without
// JavaScript Text has the last lines, and a link looks again.
type watchView struct {
	Session, Who, Firm string
	Window             *WindowLine
	Target             *targetView
	Held               bool
	Channels           []watchChoice
	Channel            int
	Watched            []string
	Files              []EventLine
	Inspected          bool // an inspector reads along: there are operations
	Legible            bool // a terminal or a command: there is something to read
	Over               bool // of the channel
	In                 bool // the session runs
	Windows            []string
	Player             bool
	Asked              bool // Text was asked for
	Text               string
	MayRead            bool
	Waits              string // who is waited for: nobody is in by this window yet
	Go                 string // where the one who waited for is
}

type watchChoice struct {
	Number int
	Words  string
	Here   bool
}

// Back is where the buttons lead back to: the page itself.
func (w watchView) Back() string {
	return "/sessions/" + w.Session + "/watch?channel=" + strconv.Itoa(w.Channel)
}

// lastLines is how many the page without JavaScript shows.
const lastLines = 40

func (g *Pages) watchPage(v *visit) error {
	l, in, err := g.lookOf(v)
	if err != nil {
		return err
	}
	view, err := g.watchOf(v, l, in)
	if err != nil {
		return err
	}
	if v.r.URL.Query().Get("as") == "text" && (view.Legible || view.Inspected) && !v.refreshing() {
		if view.Text, err = g.textOf(v, l); err != nil {
			return err
		}
		view.Asked = true
	}
	v.w.Header().Set("Content-Security-Policy", playerPolicy)
	return g.show(v, http.StatusOK, "watch", "Watch "+view.Session, view)
}

func (g *Pages) watchOf(v *visit, l look, in broker.Live) (watchView, error) {
	view := watchView{Session: string(l.session), Watched: in.Watched, In: in.Session != "", Over: true,
		Channel: l.channel, Player: hasPlayer, MayRead: v.plant.MayRead(v.actor.Roles)}
	n, err := g.roll(v.ctx())
	if err != nil {
		return view, err
	}
	if was, ok, err := g.past.session(v.ctx(), view.Session); err != nil {
		return view, err
	} else if ok {
		view.Windows = was.Windows
	}
	view.Who, view.Firm = n.person(in.Person), n.firm(in.Firm)
	for _, c := range in.Channels {
		here := c.Number == l.channel
		view.Channels = append(view.Channels, watchChoice{c.Number, v.channelWords(c), here})
		if !here {
			continue
		}
		if err := g.watchedChannel(v, n, &view, c); err != nil {
			return view, err
		}
		if !view.Legible {
			if err := g.watchedFiles(v, n, &view); err != nil {
				return view, err
			}
		}
	}
	return view, nil
}

// lookOf is the reader's look at what path and query name, and the session with
// the channels that they may see. Without a channel it is the first of those.
func (g *Pages) lookOf(v *visit) (l look, in broker.Live, err error) {
	l = look{s: g.server, actor: v.actor, says: v.name, session: policy.SessionID(v.r.PathValue("id")), still: g.stillSignedIn(v)}
	in, runs := g.Broker.Session(l.session)
	mine := slices.DeleteFunc(slices.Clone(in.Channels), func(c broker.LiveChannel) bool {
		return !g.Book.MayWatch(reader(v.actor, "watch", ""), string(c.Target.Asset))
	})
	if len(in.Channels) > 0 && len(mine) == 0 {
		return l, in, notYours
	}
	if !runs {
		if _, was, err := g.past.session(v.ctx(), string(l.session)); err != nil || !was {
			return l, in, cmp.Or(err, error(notIn))
		}
	}
	in.Channels = mine
	if v.r.URL.Query().Has("channel") {
		l.channel, err = channelOf(v.r)
	} else if len(mine) > 0 {
		l.channel = mine[0].Number
	}
	return l, in, err
}

// watchedChannel is the window, the machine and the buttons.
func (g *Pages) watchedChannel(v *visit, n roll, view *watchView, c broker.LiveChannel) error {
	w, err := g.Desk.Window(v.ctx(), v.actor, c.Window)
	if err != nil {
		return fmt.Errorf("window of a watched channel: %w", err)
	}
	line := g.windowLine(v, w, n)
	t := v.target(evidence.Target{Asset: string(c.Target.Asset), Port: string(c.Target.Port), Account: string(c.Target.Account)})
	view.Window, view.Target, view.Held, view.Legible, view.Over = &line, &t, c.Held, c.Legible(), false
	view.Inspected = c.Inspect != ""
	return nil
}

// watchedFiles lists what was transferred in the session's channel.
func (g *Pages) watchedFiles(v *visit, n roll, view *watchView) error {
	s, ok, err := g.past.session(v.ctx(), view.Session)
	if err != nil || !ok {
		return err
	}
	for leaf, err := range g.log.Upto(v.ctx(), s.begin) {
		if err != nil {
			return fmt.Errorf("read the log for %s: %w", view.Session, err)
		}
		if f, is := leaf.Body.(audit.FileTransferred); is && f.Session == view.Session && f.Channel == view.Channel {
			if view.Files = append(view.Files, v.event(leaf, n)); len(view.Files) == maxEvents {
				break
			}
		}
	}
	slices.Reverse(view.Files)
	return nil
}

// textOf is a look of one moment, with its event, for a browser without JavaScript.
func (g *Pages) textOf(v *visit, l look) (string, error) {
	w, c, leave, err := l.begin(v.ctx())
	if err != nil {
		return "", err
	}
	defer leave()
	text, err := "", error(nil)
	if c.Inspect != "" {
		text, err = lastRows(v.ctx(), w)
	} else {
		text, err = w.LastLines(v.ctx(), lastLines)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(v.ctx()), watchGone)
	defer cancel()
	if cerr := w.Leave(after, "one look"); err == nil {
		err = cerr
	}
	return text, err
}

// watchStream is what the page reads.
func (g *Pages) watchStream(v *visit) error {
	l, _, err := g.lookOf(v)
	if err != nil {
		return err
	}
	return l.run(v.ctx(), v.w)
}

// stillSignedIn looks the page's session and person up again.
func (g *Pages) stillSignedIn(v *visit) func(context.Context) (people.Actor, error) {
	return func(ctx context.Context) (people.Actor, error) {
		a := v.s.who()
		if v.s.over(g.Now()) {
			g.sessions.end(v.s)
		}
		select {
		case <-v.s.ended:
			return a, errSignedOut
		default:
		}
		p, err := g.Roster.Person(ctx, a.Person)
		if err != nil {
			return a, fmt.Errorf("look up who watches: %w", err)
		}
		if !v.s.stands(p) {
			g.sessions.end(v.s)
			return a, errSignedOut
		}
		a.Roles = a.Narrow(p.Roles)
		return a, nil
	}
}

// windowWatch leads to who is in by a window, or waits for them.
func (g *Pages) windowWatch(v *visit) error {
	w, err := g.Desk.Window(v.ctx(), v.actor, policy.WindowID(v.r.PathValue("id")))
	if err != nil {
		return err
	}
	if !v.mayWatch(w) {
		return notYours
	}
	to := ""
	for _, l := range g.Broker.Sessions() {
		for _, c := range l.Channels {
			if c.Window == w.ID && (to == "" || c.Legible()) && g.Book.MayWatch(reader(v.actor, "watch", ""), string(c.Target.Asset)) {
				to = "/sessions/" + string(l.Session) + "/watch?channel=" + strconv.Itoa(c.Number)
			}
		}
	}
	if to != "" && !v.refreshing() {
		http.Redirect(v.w, v.r, to, http.StatusSeeOther)
		return nil
	}
	if !runs(w) && w.State != approvals.WindowAgreed {
		return &policy.Refusal{Rule: "not-in", Say: fmt.Sprintf("%s is over: there is nothing to watch. What was done in it is on its page.", w.ID)}
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	line := g.windowLine(v, w, n)
	line.May.Watch = false // it is this page
	who := "Nobody"
	if len(line.Who) == 1 {
		who = line.Who[0]
	}
	return g.show(v, http.StatusOK, "watch", "Watch "+line.ID, watchView{Window: &line, Waits: who, Firm: line.Firm, Go: to})
}

func runs(w approvals.Window) bool {
	return w.State == approvals.WindowOpen || w.State == approvals.WindowPaused || w.State == approvals.WindowEnding
}

// mayWatch says whether the reader may look on at one of the window's machines.
func (v *visit) mayWatch(w approvals.Window) bool {
	return v.actor.Plant && slices.ContainsFunc(w.Claim.Assets, func(t evidence.Target) bool {
		return v.plant.MayWatch(v.actor.Roles, policy.AssetName(t.Asset))
	})
}
