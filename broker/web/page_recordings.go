package web

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"penstock/approvals"
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

// mostListed is how many recordings a page lists; it says how many more there are.
const mostListed = 500

// recordingsView has the newest first.
type recordingsView struct {
	Lines []RecordingLine
	More  int // older ones
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
	view := recordingsView{More: max(0, len(list)-mostListed)}
	for _, h := range slices.Backward(list[view.More:]) {
		line := v.recordingLine(n, h)
		line.Live = live[h.Session]
		view.Lines = append(view.Lines, line)
	}
	return g.show(v, http.StatusOK, "recordings", "Recordings", view)
}

func (g *Pages) liveSessions() map[string]bool {
	live := map[string]bool{}
	for _, l := range g.Broker.Sessions() {
		live[string(l.Session)] = true
	}
	return live
}

type RecordingView struct {
	RecordingLine
	Source, Client, Kex, Serial string
	Ended                       stamp
	Cause                       string
	Asked                       []WindowLine
	Channels                    []recordedChannel
	Events                      []EventLine
	MoreEvents, MoreChannels    int // that are not listed, and counted all the same
	In, Out                     int // files
	Refused                     int
	Player                      bool // this build has it
	Sealed                      *sealedView
	Typed                       bool // this person may see what was typed
	Review                      *reviewView
	DoneLine                    string
}

// Open says that this person can read it now.
func (r RecordingView) Open() bool {
	if r.Review != nil && r.Review.Gone != "" {
		return false
	}
	return r.Sealed == nil || !r.Sealed.Until.IsZero()
}

type recordedChannel struct {
	Number              int
	Kind, What, In, Out string
	Open, Close         stamp
	Exit                string
	Files               []string // what passed of files, in words
	Typed               bool     // this person may see what was typed
	Done                string   // what an inspector saw, counted; empty: none read along
}

// mostFiles bounds the list of one channel; the log has all.
const mostFiles = 100

type formChoice struct {
	Form, Text string
	Input      string // what the link asks for of it: "", true or unmasked
}

// typing says whether what the vendor typed or sent is in it.
func (c formChoice) typing() bool {
	f, _ := recording.FormOf(c.Form)
	return c.Input != "" || f.Input
}

// screenForms are for what somebody saw, streamForms for a TCP stream.
var (
	screenForms = []formChoice{{"text", "Text", ""}, {"asciicast-v3", "asciicast v3", ""}, {"asciicast-v2", "asciicast v2", ""},
		{"raw-out", "raw output", ""}, {"raw-err", "raw errors", ""}, {"text", "Text with what they typed", "true"}, {"raw-in", "raw input, passwords too", ""}}
	streamForms = []formChoice{{"pcapng", "pcapng, for Wireshark", ""}, {"raw-in", "raw, to the machine", ""}, {"raw-out", "raw, from the machine", ""}}
)

// Stream says that the channel carried TCP, which is no screen.
func (c recordedChannel) Stream() bool { return c.Kind == "direct-tcpip" }

// Bare: what passed is no text for a screen.
func (c recordedChannel) Bare() bool { return c.Stream() || carriesFiles(c.Kind) }

// fileForms: raw is the protocol, with the files' content in it unless the
// account says files: hashes; the text has what Penstock noted of each.
var fileForms = []formChoice{{"text", "Text", ""}, {"raw-out", "raw output", ""}, {"raw-err", "raw errors", ""}, {"raw-in", "raw input", ""}}

// Forms are what the channel can be had as.
func (c recordedChannel) Forms() []formChoice {
	return slices.DeleteFunc(slices.Clone(c.all()), func(f formChoice) bool { return !c.Typed && f.typing() })
}

func (c recordedChannel) all() []formChoice {
	switch {
	case c.Done != "":
		return append([]formChoice{{"operations", "operations, CSV", ""}}, streamForms...)
	case c.Stream():
		return streamForms
	case carriesFiles(c.Kind):
		return fileForms
	}
	return screenForms
}

// KindText is what was opened, in words.
func (c recordedChannel) KindText() string { return channelKind(c.Kind) }

func (g *Pages) recordingPage(v *visit) error {
	view, err := g.recordingOf(v)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "recording", view.Session, view)
}

// recordingOf goes through the Book: that somebody looked is an event.
func (g *Pages) recordingOf(v *visit) (RecordingView, error) {
	id := v.r.PathValue("id")
	h, err := g.Book.Look(v.ctx(), reader(v.actor, "list", ""), id)
	if errors.Is(err, fs.ErrNotExist) {
		return g.goneRecording(v, id)
	}
	if err != nil {
		return RecordingView{}, err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return RecordingView{}, err
	}
	view := RecordingView{RecordingLine: v.recordingLine(n, h), Source: h.Source, Client: h.Client, Kex: h.Kex, Serial: h.Serial, Player: hasPlayer}
	view.Live = g.liveSessions()[id]
	view.Sealed = g.sealedOf(v, n, h)
	if err := g.sessionEvents(v, n, h, &view); err != nil {
		return view, err
	}
	view.Typed = g.Book.MaySeeInput(reader(v.actor, "", ""))
	for i := range view.Channels {
		view.Channels[i].Typed = view.Typed
	}
	err = g.compared(v, n, id, h.Windows, &view)
	return view, err
}

// compared puts what was agreed beside what was done, and the review with it.
func (g *Pages) compared(v *visit, n roll, session string, windows []string, view *RecordingView) (err error) {
	var agreed []approvals.Window
	for _, id := range windows {
		w, err := g.Desk.Window(v.ctx(), v.actor, windowID(id))
		if err != nil {
			return err
		}
		agreed = append(agreed, w)
		view.Asked = append(view.Asked, g.windowLine(v, w, n))
	}
	view.DoneLine = view.done()
	if view.Review, err = g.reviewOf(v, n, session); errors.Is(err, fs.ErrNotExist) {
		return nil // recorded, and a crash came before the log knew of it
	}
	if err != nil {
		return err
	}
	s, _, err := g.Book.Session(v.ctx(), reader(v.actor, "", ""), session)
	view.Review.Unused = v.unused(agreed, s)
	return err
}

// goneRecording is the page of one whose files are gone by the log: its events,
// what was agreed, and its review stay.
func (g *Pages) goneRecording(v *visit, id string) (RecordingView, error) {
	s, _, err := g.Book.Session(v.ctx(), reader(v.actor, "", ""), id)
	if err != nil {
		return RecordingView{}, err
	}
	if s.Gone == nil {
		return RecordingView{}, fmt.Errorf("recording of %.40q: %w", id, fs.ErrNotExist)
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return RecordingView{}, err
	}
	h := recording.Header{Session: s.ID, Person: s.Person, Firm: s.Firm, Windows: s.Windows, Started: s.Started}
	view := RecordingView{RecordingLine: v.recordingLine(n, h)}
	if err := g.sessionEvents(v, n, h, &view); err != nil {
		return view, err
	}
	err = g.compared(v, n, id, h.Windows, &view)
	return view, err
}

// hasPlayer: the player's bundle is built, and not in the repository (npm run
// build in ui/). A binary without it says so.
var hasPlayer = func() bool {
	_, err := fs.Stat(staticFiles, "static/player.js")
	return err == nil
}()

// The lists beside a recording have the first so many. A vendor can make more
// with nothing in them, to hide what comes after: all are counted, and the one
// channel that a link asks for is always there.
const (
	maxEvents   = 500
	maxChannels = 200
)

// aboutChannel is the channel that an event is about; -1: none.
func aboutChannel(b audit.Body) int {
	switch b := b.(type) {
	case audit.ChannelOpened:
		return b.Channel
	case audit.ChannelClosed:
		return b.Channel
	case audit.FileTransferred:
		return b.Channel
	case audit.OperationsSummary:
		return b.Channel
	}
	return -1
}

// sessionEvents reads the log for what it has of one session.
func (g *Pages) sessionEvents(v *visit, n roll, h recording.Header, view *RecordingView) error {
	s, ok, err := g.past.session(v.ctx(), h.Session)
	if err != nil || !ok {
		return err
	}
	to := cmp.Or(s.end, s.last)
	want, err := strconv.Atoi(v.r.URL.Query().Get("channel"))
	if err != nil || want < 0 {
		want = -2
	}
	for leaf, err := range g.log.Upto(v.ctx(), s.begin) {
		if err != nil {
			return fmt.Errorf("read the log for %s: %w", h.Session, err)
		}
		if leaf.Index >= to {
			break
		}
		if !ofSession(leaf, h) {
			continue
		}
		if len(view.Events) < maxEvents || aboutChannel(leaf.Body) == want && len(view.Events) < 2*maxEvents {
			view.Events = append(view.Events, v.event(leaf, n))
		} else {
			view.MoreEvents++
		}
		view.take(v, leaf, want)
	}
	return nil
}

// take counts a leaf of the session in; of more channels than are shown, want is one that is.
func (r *RecordingView) take(v *visit, leaf audit.Leaf, want int) {
	switch b := leaf.Body.(type) {
	case audit.ChannelOpened:
		if len(r.Channels) >= maxChannels && b.Channel != want {
			r.MoreChannels++
			return
		}
		t, _ := v.plant.Asset(assetName(b.Asset))
		r.Channels = append(r.Channels, recordedChannel{Number: b.Channel, Kind: b.Kind, What: cmp.Or(t.Tag, b.Asset) + as(b.Account), Open: v.at(leaf.Wall)})
	case audit.FileTransferred:
		if b.Direction == "in" {
			r.In++
		} else {
			r.Out++
		}
		if c := r.channel(b.Channel); c != nil && len(c.Files) < mostFiles {
			c.Files = append(c.Files, fileWords(b))
		}
	case audit.OperationsSummary:
		if c := r.channel(b.Channel); c != nil {
			c.Done = operationsWords(b)
		}
	case audit.ChannelClosed:
		if c := r.channel(b.Channel); c != nil {
			c.In, c.Out, c.Close, c.Exit = bytesText(b.In), bytesText(b.Out), v.at(leaf.Wall), cmp.Or(b.Exit, b.Cause)
		}
	case audit.ChannelRefused:
		r.Refused++
	case audit.SessionEnded:
		r.Ended, r.Cause = v.at(leaf.Wall), b.Cause
	}
}

// channel is the one of that number that is shown; nil: it is not.
func (r *RecordingView) channel(number int) *recordedChannel {
	for i := range r.Channels {
		if r.Channels[i].Number == number {
			return &r.Channels[i]
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

// exportPage is the API's export for somebody with a session.
func (g *Pages) exportPage(v *visit) error {
	g.exportFor(v.w, v.r, v.reader("export", ""), func(err error) { g.failPage(v, err) })
	return nil
}
