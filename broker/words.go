package broker

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"penstock/policy"
)

// Why a session or channel ends, as the person reads it. Rules are stable: the
// cause in session.ended is made of them.
var (
	errDrained = &policy.Refusal{Rule: "drain",
		Say: "this broker is being stopped; connect again in a few minutes", Why: "drained"}
	errUnwatched = &policy.Refusal{Rule: "agreement-not-followed",
		Say: "the broker can no longer see what was agreed, so the session ends; call OT security", Why: "the agreement's watch has ended"}
	diskLow = &policy.Refusal{Rule: "disk-low",
		Say: "the plant's disk has no room left to record a session, so nobody is let in; call the control room and say that Penstock's disk is nearly full", Why: "free space below min_free"}
	diskGone = &policy.Refusal{Rule: "disk-full",
		Say: "the plant's disk has no room left to record, so your session ends; what you did until now is recorded. Call the control room and say that Penstock's disk is nearly full", Why: "free space below end_free"}
	inputOff = &policy.Refusal{Rule: "input-off",
		Say: "the plant lets you only look now; what runs goes on, nothing new begins", Why: "narrowed to look on an account that can do more"}
	otherInspector = &policy.Refusal{Rule: "inspector-changed",
		Say: "the plant has changed who stops what on this way in; connect again", Why: "the decision names another inspector than the one the stream began with"}
	targetMoved = &policy.Refusal{Rule: "target-moved",
		Say: "the plant has given this machine another address; connect again", Why: "the decision names another address than the one that was dialled"}
)

func recordingFailed(err error) *policy.Refusal {
	return &policy.Refusal{Rule: "recording-failed", Say: "the recording failed, so the session has stopped; call OT security", Why: "recording failed: " + err.Error()}
}

func windowEnded(w policy.WindowID) *policy.Refusal {
	return &policy.Refusal{Rule: "window-ended",
		Say: fmt.Sprintf("your window %s has ended; tell the plant what you changed, or ask for a new window", w), Why: fmt.Sprintf("window %s is at its end", w)}
}

func windowEnding(w policy.WindowID) *policy.Refusal {
	return &policy.Refusal{Rule: "window-ending",
		Say: fmt.Sprintf("your window %s is ending; finish what is running, nothing new begins", w), Why: fmt.Sprintf("window %s is ending", w)}
}

func windowStopped(w policy.WindowID, why error) error {
	var r *policy.Refusal
	if errors.As(why, &r) {
		return why
	}
	text := "no reason given"
	if why != nil {
		text = why.Error()
	}
	return &policy.Refusal{Rule: "window-cut", Say: fmt.Sprintf("your window %s was cut: %s", w, text), Why: text}
}

func blocked(b policy.Block, why error) error {
	var r *policy.Refusal
	if errors.As(why, &r) {
		return why
	}
	text := b.Why
	if why != nil {
		text = why.Error()
	}
	return &policy.Refusal{Rule: "blocked", Say: "blocked: " + text + "; call your contact at the plant", Why: fmt.Sprintf("block %s: %s", b.ID, text)}
}

// causeWord is the word of audit.SessionEnded for why a session ended.
func causeWord(why error) string {
	var r *policy.Refusal
	if !errors.As(why, &r) {
		return "client"
	}
	switch {
	case r.Rule == "recording-failed", r.Rule == "recording-late", r.Rule == "disk-full":
		return "recorder"
	case r.Rule == "drain":
		return "drain"
	case r.Rule == "window-ended", r.Rule == "ended": // the Desk's word
		return "window-end"
	case r.Rule == "blocked", strings.Contains(r.Rule, "cut"), strings.Contains(r.Rule, "island"):
		return "cut"
	}
	return "policy"
}

// says is what the person reads about an error.
func says(err error) string {
	var r *policy.Refusal
	if errors.As(err, &r) && r.Say != "" {
		return r.Say
	}
	return err.Error()
}

// short keeps a text well inside a leaf of 4 KiB, and inside UTF-8.
func short(s string) string {
	const most = 500
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + " …"
}
