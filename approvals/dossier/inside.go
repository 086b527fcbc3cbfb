package dossier

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"penstock/audit"
)

// inside takes what happened in windows: certificates, sessions, channels,
// files, recordings, and who read them since.
func (b *Book) inside(l audit.Leaf) {
	switch e := l.Body.(type) {
	case audit.CertIssued:
		b.issued(l, e)
	case audit.SessionStarted:
		b.sessions[e.Session] = &session{e.Person, e.Windows, map[int]string{}}
		b.each(e.Session, sessions, l, "%s: %s in, from %s, with %s, by certificate %s", e.Session, b.who(e.Person), e.Source, e.Client, e.Serial)
		b.each(e.Session, recordings, l, "%s: begun, %s; session.json %s, keys.age %s", e.Session, e.Mode, e.Header, e.Keys)
	case audit.ChannelOpened:
		if s := b.sessions[e.Session]; s != nil {
			s.bound[e.Channel] = e.Window
		}
		b.to(e.Window, sessions, l, "%s channel %d: %s to %s by %s%s at %s, through %s; rights %s, by rule %s", e.Session, e.Channel, e.Kind, e.Asset, e.Port,
			as(e.Account), e.Target, strings.Join(append(e.Path[:len(e.Path):len(e.Path)], through(e.Via)...), " → "), strings.Join(e.Rights, ", "), e.Rule)
	case audit.ChannelRefused:
		b.each(e.Session, sessions, l, "%s: %s to %s%s refused by %s: %s%s", e.Session, e.Kind, cmp.Or(e.Asset, "?"), as(e.Account), e.Rule, e.Why, why(e.Asked))
	case audit.ChannelClosed:
		if s := b.sessions[e.Session]; s != nil {
			b.to(s.bound[e.Channel], sessions, l, "%s channel %d closed: %d bytes in, %d out, exit %s, %s", e.Session, e.Channel, e.In, e.Out, cmp.Or(e.Exit, "–"), e.Cause)
		}
	case audit.FileHeld:
		b.held(l, e)
	case audit.FileMoved:
		b.fileMoved(l, e)
	case audit.FileTransferred:
		b.to(e.Window, files, l, "%s", transferred(e))
	case audit.OperationsSummary:
		b.to(e.Window, sessions, l, "%s", operations(e))
	case audit.SessionEnded:
		b.each(e.Session, sessions, l, "%s ended: %s%s", e.Session, e.Cause, why(e.Why))
		if !e.Close.IsZero() {
			b.each(e.Session, recordings, l, "%s: closed; close.json %s", e.Session, e.Close)
		}
	case audit.RecordingRecovered:
		b.each(e.Session, recordings, l, "%s: a crash tore %s; %d bytes after its last whole frame were cut", e.Session, e.File, e.Lost)
	case audit.RecordingFailed:
		b.each(e.Session, recordings, l, "%s: recording failed: %s", e.Session, e.Why)
	case audit.ReviewOpened:
		b.each(e.Session, readings, l, "%s: %s by %s%s", e.Session, e.What, b.who(e.Person), form(e.Form))
	}
}

// through is the host on the way, behind the zones.
func through(via string) []string {
	if via == "" {
		return nil
	}
	return []string{"host " + via}
}

// each adds a row to every window of a session.
func (b *Book) each(id string, part int, l audit.Leaf, format string, args ...any) {
	if s := b.sessions[id]; s != nil {
		for _, w := range s.windows {
			b.to(w, part, l, format, args...)
		}
	}
}

func (b *Book) issued(l audit.Leaf, e audit.CertIssued) {
	switch e.CA {
	case "in":
		for _, w := range e.Windows {
			b.to(w, certificates, l, "to %s, serial %s, key %s, good until %s", b.who(e.Person), e.Serial, e.Key, e.Before.UTC().Format("15:04:05 UTC"))
		}
	case "out":
		if s := b.sessions[e.Session]; s != nil {
			b.to(cmp.Or(s.bound[e.Channel], first(s.windows)), certificates, l, "to the machine as %s, serial %s, for %s channel %d", strings.Join(e.Names, ", "), e.Serial, e.Session, e.Channel)
		}
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return slices.Min(list)
}

// operations counts what an inspector let through and refused.
func operations(e audit.OperationsSummary) string {
	counts := func(m map[string]int) string {
		var all []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			all = append(all, fmt.Sprintf("%d %s", m[k], k))
		}
		return cmp.Or(strings.Join(all, ", "), "none")
	}
	objects := func(m map[string][]string) string {
		var all []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			all = append(all, strings.Join(m[k], ", ")+" ("+k+")")
		}
		return cmp.Or(strings.Join(all, "; "), "nothing")
	}
	more := ""
	if e.More > 0 {
		more = fmt.Sprintf(", and %d more that are in the recording", e.More)
	}
	return fmt.Sprintf("%s channel %d: operations on %s by %s let through: %s; refused: %s; %d refused by the machine, %d without an answer; changed: %s; set off: %s%s",
		e.Session, e.Channel, e.Asset, e.Port, counts(e.Allowed), counts(e.Refused), e.Failed, e.Unanswered, objects(e.Changed), objects(e.SetOff), more)
}

func transferred(e audit.FileTransferred) string {
	way := "to " + e.Asset
	if e.Direction == "out" {
		way = "from " + e.Asset
	}
	s := fmt.Sprintf("%s, %s, %d bytes, %s by %s (%s channel %d), over %s", e.Path, way, e.Bytes, e.SHA256, e.By, e.Session, e.Channel, e.Hashed)
	if e.File != "" {
		s += ", let out as " + e.File
	}
	if !e.Whole {
		s += "; not known to be whole" + why(e.Why)
	}
	return s
}

func as(account string) string {
	if account == "" {
		return ""
	}
	return " as " + account
}

func form(s string) string {
	if s == "" {
		return ""
	}
	return ", " + s
}
