package web

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

type RecordingLine struct {
	Session, Who, Firm, Mode string
	Windows                  []string
	Started                  stamp
	Live                     bool
}

func (v *visit) recordingLine(n roll, h recording.Header) RecordingLine {
	return RecordingLine{Session: h.Session, Who: n.person(personID(h.Person)), Firm: n.firm(firmID(h.Firm)), Mode: h.Mode, Windows: h.Windows, Started: v.at(h.Started)}
}

// recordingList is through the Book: that somebody looked is an event.
func (g *Pages) recordingList(v *visit) error {
	list, err := g.Book.List(v.ctx(), reader(v.actor, "list", ""))
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	live := g.liveSessions()
	var lines []RecordingLine
	for _, h := range slices.Backward(list) {
		line := v.recordingLine(n, h)
		line.Live = live[h.Session]
		if lines = append(lines, line); len(lines) == 500 {
			break
		}
	}
	return g.show(v, http.StatusOK, "recordings", "Recordings", lines)
}

func (g *Pages) liveSessions() map[string]bool {
	live := map[string]bool{}
	for _, l := range g.Broker.Sessions() {
		live[string(l.Session)] = true
	}
	return live
}

type recordingView struct {
	RecordingLine
	Source, Client, Kex, Serial string
	Ended                       stamp
	Cause                       string
	Asked                       []WindowLine
	Channels                    []recordedChannel
	Events                      []eventLine
	Forms                       []formChoice
	Refused                     int
}

type recordedChannel struct {
	Number              int
	Kind, What, In, Out string
	Open, Close         stamp
	Exit                string
}

type formChoice struct{ Form, Text string }

var formChoices = []formChoice{
	{"text", "Text"}, {"asciicast-v3", "asciicast v3"}, {"asciicast-v2", "asciicast v2"},
	{"raw-out", "raw output"}, {"raw-err", "raw errors"}, {"raw-in", "raw input"},
}

func (g *Pages) recordingPage(v *visit) error {
	id := v.r.PathValue("id")
	list, err := g.Book.List(v.ctx(), reader(v.actor, "list", ""))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(h recording.Header) bool { return h.Session == id })
	if i < 0 {
		return fmt.Errorf("recording of %.40q: %w", id, fs.ErrNotExist)
	}
	h := list[i]
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view := recordingView{RecordingLine: v.recordingLine(n, h), Source: h.Source, Client: h.Client, Kex: h.Kex, Serial: h.Serial, Forms: formChoices}
	view.Live = g.liveSessions()[id]
	if err := g.sessionEvents(v, n, h, &view); err != nil {
		return err
	}
	for _, id := range h.Windows {
		w, err := g.Desk.Window(v.ctx(), v.actor, windowID(id))
		if err != nil {
			return err
		}
		view.Asked = append(view.Asked, g.windowLine(v, w, n))
	}
	return g.show(v, http.StatusOK, "recording", id, view)
}

// maxEvents bounds the list beside a recording.
const maxEvents = 500

// sessionEvents reads the log for what it has of one session.
func (g *Pages) sessionEvents(v *visit, n roll, h recording.Header, view *recordingView) error {
	at := map[int]int{}
	for leaf, err := range g.log.Upto(v.ctx(), 0) {
		if err != nil {
			return fmt.Errorf("read the log for %s: %w", h.Session, err)
		}
		if !ofSession(leaf, h) || len(view.Events) >= maxEvents {
			continue
		}
		view.Events = append(view.Events, v.event(leaf, n))
		switch b := leaf.Body.(type) {
		case audit.ChannelOpened:
			t, _ := v.plant.Asset(assetName(b.Asset))
			at[b.Channel] = len(view.Channels)
			view.Channels = append(view.Channels, recordedChannel{Number: b.Channel, Kind: b.Kind, What: cmp.Or(t.Tag, b.Asset) + as(b.Account), Open: v.at(leaf.Wall)})
		case audit.ChannelClosed:
			if i, ok := at[b.Channel]; ok {
				c := &view.Channels[i]
				c.In, c.Out, c.Close, c.Exit = bytesText(b.In), bytesText(b.Out), v.at(leaf.Wall), cmp.Or(b.Exit, b.Cause)
			}
		case audit.ChannelRefused:
			view.Refused++
		case audit.SessionEnded:
			view.Ended, view.Cause = v.at(leaf.Wall), b.Cause
		}
	}
	return nil
}

func as(account string) string {
	if account == "" {
		return ""
	}
	return " as " + account
}

// ofSession: of the session itself, and the steps of its windows while it ran.
func ofSession(leaf audit.Leaf, h recording.Header) bool {
	if leaf.Subject == h.Session {
		return true
	}
	return slices.Contains(h.Windows, leaf.Subject) && strings.HasPrefix(leaf.Body.Type(), "window.")
}

type startedSession struct {
	audit.SessionStarted
	at time.Time
}

// sessionsStarted are the sessions of a window, from the log.
func (g *Pages) sessionsStarted(v *visit, window string) (all []startedSession, err error) {
	for leaf, err := range g.log.Upto(v.ctx(), 0) {
		if err != nil {
			return nil, fmt.Errorf("read the log for %s: %w", window, err)
		}
		if b, ok := leaf.Body.(audit.SessionStarted); ok && slices.Contains(b.Windows, window) && len(all) < 100 {
			all = append(all, startedSession{b, leaf.Wall})
		}
	}
	return all, nil
}

// exportPage is the API's export for somebody with a session.
func (g *Pages) exportPage(v *visit) error {
	g.exportFor(v.w, v.r, v.actor, func(err error) { g.failPage(v, err) })
	return nil
}
