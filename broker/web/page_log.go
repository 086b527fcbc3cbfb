package web

import (
	"cmp"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/audit/review"
	"penstock/policy"
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

// EventLine is one leaf in words.
type EventLine struct {
	Index              int64
	At                 stamp
	Type, Subject, Who string
	Says               string
	Weight             string // "", moved, refused: how it is marked
	Hash               string
	In                 bool // a file that went to the machine
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

// event is a leaf for a person.
func (v *visit) event(leaf audit.Leaf, n roll) EventLine {
	who := "Penstock"
	if leaf.Actor != "penstock" && leaf.Actor != "" {
		who = n.person(policy.PersonID(leaf.Actor))
	}
	says, weight := v.sentence(leaf.Body, n)
	file, _ := leaf.Body.(audit.FileTransferred)
	return EventLine{Index: int64(leaf.Index), At: v.at(leaf.Wall), Type: leaf.Body.Type(), Subject: leaf.Subject, Who: who, Says: says, Weight: weight, Hash: leaf.Hash.String(), In: file.Direction == "in"}
}

// sentence says what happened; an event that this build does not know is its type's name.
func (v *visit) sentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.RequestSubmitted:
		return "asked for " + n.firm(firmID(b.Firm)), ""
	case audit.RequestRevised:
		return fmt.Sprintf("changed the request: revision %d", b.Rev), ""
	case audit.RequestWithdrawn:
		return "withdrew the request" + because(b.Why), ""
	case audit.RequestUnanswered:
		return "nobody answered in time", "refused"
	case audit.PersonAsked:
		who := cmp.Or(strings.Join(n.list(b.People), ", "), "nobody, because nobody is on duty")
		if b.For != "" {
			return v.role(roleName(b.Role)) + " is asked in place of " + v.role(roleName(b.For)) + ": " + who, "moved"
		}
		return v.role(roleName(b.Role)) + " is asked: " + who, map[bool]string{true: "refused"}[len(b.People) == 0]
	case audit.AnswerGiven:
		return saysWords[b.Says] + " to revision " + fmt.Sprint(b.Rev), map[bool]string{true: "moved", false: "refused"}[b.Says == "yes"]
	case audit.WindowAgreed:
		return "agreed, for request " + b.Request, "moved"
	case audit.WindowMoved:
		return v.movedWords(b), "moved"
	case audit.GateChanged:
		return v.gateWords(b), map[bool]string{true: "moved", false: "refused"}[b.Says != "no"]
	case audit.EscortChanged:
		return escortWords(b, n), map[bool]string{true: "refused", false: "moved"}[b.Says == "left"]
	case audit.HandoverOffered:
		return "hands over " + count(len(b.Windows), "window", "windows") + " of " + v.role(roleName(b.Team)) + ", " + v.at(b.Due).Text(), "moved"
	case audit.HandoverAccepted:
		return "took over " + strings.Join(b.Windows, ", "), "moved"
	case audit.HandoverRang:
		return "not taken in time: " + strings.Join(b.Windows, ", "), "refused"
	case audit.HandbackGiven:
		return "handed back", "moved"
	case audit.HandbackAccepted:
		return "took the hand-back; closed", "moved"
	case audit.SecretSealed, audit.SecretUsed, audit.SecretShown, audit.SecretRotating, audit.SecretRotated, audit.SecretKept:
		return secretWords(b)
	case audit.EnvelopeSealed, audit.EnvelopeOpened, audit.EnvelopeVoided, audit.RecoveryBegan, audit.PersonSuspended, audit.AuthoritiesRotated, audit.RecoveryDone:
		return worstNightWords(b, n)
	case audit.TargetChecked:
		return "had the broker look whether it gets into " + b.Asset + as(b.Account), "moved"
	case audit.HostKeyChanged, audit.HostKeyAccepted, audit.HostKeyConfirmed, audit.HostKeyCleared:
		return hostKeyWords(b)
	case audit.BlockSet:
		return "blocked " + v.blocked(policy.Block{Person: personID(b.Person), Firm: firmID(b.Firm), Asset: assetName(b.Asset), Zone: policy.ZoneName(b.Zone), All: b.All, Island: b.Island}, n) + because(b.Why), "refused"
	case audit.KioskEnrolled:
		return "enrolled kiosk " + b.Name + " (" + b.Kiosk + "), which may take access away", "moved"
	case audit.KioskRevoked:
		return "revoked kiosk " + b.Kiosk + because(b.Why), "refused"
	case audit.OutageWritten:
		return fmt.Sprintf("wrote the list of outage %s, revision %d", b.Outage, b.Rev), "moved"
	case audit.OutageWithdrawn:
		return "took outage " + b.Outage + " back" + because(b.Why), "moved"
	case audit.IslandAnswered:
		what := "the island " + b.Block
		if z, _ := v.plant.Zone(policy.ZoneName(b.Zone)); b.Zone != "" {
			what += " for " + z.Title
		}
		if b.Lifts {
			return "lifted " + what + ", the second of two people", "moved"
		}
		return "said that " + what + " may be lifted, the first of two people", "moved"
	case audit.BlockLifted:
		return "lifted the block" + because(b.Why), "moved"
	}
	return v.otherSentence(body, n)
}

func (v *visit) movedWords(b audit.WindowMoved) string {
	if b.To == "narrowed" {
		return "narrowed to: " + rightsOf(b.Rights).InWords() + because(b.Why)
	}
	if b.To == "stepped" {
		return "second tap of an emergency, now allowed: " + rightsOf(b.Rights).InWords()
	}
	words := map[string]string{"wenton": "let it go on", "unused": "not used", "ending": "ended, and a transfer may finish", "grace": "moved the end once, for a half-done transfer"}
	s := cmp.Or(words[b.To], b.To)
	if b.Emergency {
		s += " as an EMERGENCY"
	}
	if !b.Until.IsZero() && slices.Contains([]string{"opened", "extended", "ending", "grace"}, b.To) {
		s += ", ends " + v.at(b.Until).Text()
	}
	return s + because(b.Why)
}

func (v *visit) gateWords(b audit.GateChanged) string {
	g, _ := v.plant.Gate(b.Gate)
	title := cmp.Or(g.Title, b.Gate)
	if b.Says == "stood-in" {
		return "stands in for " + title + because(b.Why)
	}
	return title + ": " + b.Says + because(b.Why)
}

func escortWords(b audit.EscortChanged, n roll) string {
	switch b.Says {
	case "took":
		return "is the escort"
	case "here":
		return "still watches"
	case "offered":
		return "hands the escort on to " + n.person(personID(b.To))
	}
	return "watches no longer"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func (v *visit) otherSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.FileHeld:
		if b.Direction == "out" {
			return "asked for " + path.Base(b.Path) + ", which was fetched and waits as " + b.File, ""
		}
		return "sent " + path.Base(b.Path) + ", which waits as " + b.File, ""
	case audit.ScannerChanged:
		if b.Alarm == "" {
			return "the scanner looks into files again", "moved"
		}
		return "the scanner cannot look into files: " + b.Alarm, "refused"
	case audit.FileMoved:
		return fileMovedWords(b), map[bool]string{true: "refused", false: "moved"}[b.To == "refused" || b.To == "expired"]
	case audit.PriorityChanged:
		return "holds it for " + b.To + because(b.Why), "moved"
	case audit.QuestionAnswered:
		return "answered the question", ""
	case audit.CallMade:
		return "called them in; the code is good to " + v.at(b.Until).Text(), "moved"
	case audit.CallAnswered:
		return "answered the call", "moved"
	case audit.SpokenSigned:
		return map[string]string{evidence.Countersign: "signed the yes to ", evidence.Deny: "denies the yes to "}[b.Says] + b.Window + " that was heard on the telephone", map[string]string{evidence.Countersign: "moved"}[b.Says] + map[string]string{evidence.Deny: "refused"}[b.Says]
	case audit.SpokenMissed:
		return "the yes of " + n.person(personID(b.Person)) + " to " + b.Window + ", heard on the telephone, was not signed in time", "refused"
	case audit.SpokenCleared:
		return "let the yes to " + b.Window + " stand that nobody signed" + because(b.Why), "refused"
	case audit.PatternProposed:
		return "proposed " + b.Pattern + ", a pattern for " + n.firm(firmID(b.Firm)), "moved"
	case audit.PatternAnswered:
		return "said " + b.Says + " to " + b.Pattern, map[string]string{evidence.Yes: "moved", evidence.No: "refused"}[b.Says]
	case audit.PatternMoved:
		return b.Pattern + " is " + b.To + because(b.Why), map[bool]string{true: "moved", false: "refused"}[b.To == "agreed"]
	case audit.PatternDoubted:
		return b.Window + " was used outside the purpose of " + b.Pattern + because(b.Why), "refused"
	case audit.RosterWritten:
		if b.Document.IsZero() {
			return "keeps no roster there any more", "moved"
		}
		return "wrote the roster", "moved"
	case audit.DeputyNamed:
		return n.person(personID(b.Person)) + " stands in until " + v.at(b.Until).Text(), "moved"
	case audit.DeputyEnded:
		return n.person(personID(b.Person)) + " stands in for " + n.person(personID(b.For)) + " no longer", "moved"
	case audit.AgentInvited:
		return "invited an agent for " + v.zoneTitle(policy.ZoneName(b.Zone)), ""
	case audit.AgentJoined:
		return "an agent for " + v.zoneTitle(policy.ZoneName(b.Zone)) + " brought the key " + b.Key, ""
	case audit.AgentConfirmed:
		return "confirmed the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + ", key " + b.Key, "moved"
	case audit.AgentRemoved:
		return "removed the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + because(b.Why), "refused"
	case audit.AgentUp:
		return "the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + " is there, from " + b.Source, ""
	case audit.AgentDown:
		return "the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + " is gone: " + b.Why, "refused"
	case audit.PersonInvited:
		return "invited " + b.Name + ", " + n.firm(firmID(b.Firm)), ""
	case audit.PersonJoined:
		return "brought a key: " + b.Key, ""
	case audit.PersonConfirmed:
		return "confirmed the key " + b.Key, "moved"
	case audit.PersonDisabled:
		return "disabled " + n.person(personID(b.Person)) + because(b.Why), "refused"
	case audit.FirmChanged:
		return "wrote firm " + b.Name, ""
	case audit.KeyEnrolled:
		return "set a new " + b.Kind, ""
	case audit.LoginOK:
		return "signed in by " + strings.Join(b.Proofs, " and ") + " from " + b.Source, ""
	case audit.LoginRefused:
		return "wrong sign-in as " + b.Name + " from " + b.Source, "refused"
	case audit.AccessRefused:
		return "kept out (" + b.Rule + ") from " + b.Source, "refused"
	case audit.CertIssued:
		return "certificate of " + strings.Join(b.Windows, ", ") + " to " + v.at(b.Before).Text(), ""
	case audit.CertRefused:
		return "no certificate (" + b.Rule + ")", "refused"
	case audit.SessionStarted:
		return "came in from " + b.Source, "moved"
	case audit.SessionEnded:
		return "is out: " + b.Cause + because(b.Why), "moved"
	case audit.ChannelOpened:
		through := ""
		if b.Via != "" {
			through = " through " + b.Via
		}
		return fmt.Sprintf("channel %d: %s on %s%s%s", b.Channel, b.Kind, b.Asset, as(b.Account), through), ""
	case audit.ChannelRefused:
		return "refused (" + b.Rule + "): " + b.Kind + " on " + cmp.Or(b.Asset, "nothing") + as(b.Account) + because(b.Asked), "refused"
	case audit.FileTransferred:
		return fileWords(b), map[bool]string{true: "moved", false: "refused"}[b.Whole]
	case audit.OperationsSummary:
		return operationsWords(b), map[bool]string{true: "refused", false: "moved"}[len(b.Refused) > 0]
	case audit.ChannelClosed:
		return fmt.Sprintf("channel %d closed: %s in, %s out%s", b.Channel, bytesText(b.In), bytesText(b.Out), because(cmp.Or(b.Exit, b.Cause))), ""
	case audit.ReviewClosed:
		return "watches " + b.Session + " no longer: " + b.Why, ""
	case audit.CheckpointTaken:
		return "took a checkpoint to keep outside", ""
	case audit.OutsideChanged:
		if b.Alarm == "" {
			return "copies are outside again", "moved"
		}
		return "copies outside: " + b.Alarm, "refused"
	case audit.ReviewOpened:
		if b.What == "watch" {
			return "watches " + b.Session + ", " + b.Form, ""
		}
		if b.What == "search" {
			return "searched for " + b.Form, ""
		}
		if b.What == "unseal" {
			switch b.Form {
			case "":
				return "opened sealed " + b.Session + " with an auditor's key", "moved"
			case review.KeyAsked:
				return "asked for the key file of sealed " + b.Session, ""
			}
			return "did not open sealed " + b.Session + ": " + b.Form, "refused"
		}
		return "recordings: " + strings.TrimSpace(b.What+" "+b.Session+" "+b.Form), ""
	case audit.RecordingMode:
		return "recordings from now on: " + recordingMode(n, b), "moved"
	case audit.ConfigChanged:
		return plantSentence(b), "moved"
	case audit.PlantProposed:
		return "proposed " + b.Change + ", a change of the plant file", "moved"
	case audit.PlantAnswered:
		return "said " + b.Says + " to " + b.Change, map[string]string{evidence.Yes: "moved", evidence.No: "refused"}[b.Says]
	case audit.PlantMoved:
		return b.Change + " is " + b.To + because(b.Why), "moved"
	case audit.ClockStepped:
		return fmt.Sprintf("the clock jumped by %d ms", b.Millis), "refused"
	case audit.NodeStarted:
		return "the broker started, version " + b.Version, ""
	case audit.RecordingHeads:
		return "recordings vouched for: " + count(b.Count, "file", "files"), ""
	}
	return v.rareSentence(body, n)
}

// rareSentence is what happens seldom, and once a session.
func (v *visit) rareSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.FirstByte:
		return "saw the first answer of the machine, in " + b.Window, ""
	case audit.RequestWoken:
		return "the request waits again", ""
	case audit.PersonChanged:
		return "wrote " + b.Name + " anew" + because(strings.Join(b.Roles, ", ")), ""
	case audit.AnswerWithdrawn:
		return "took back the yes of " + n.person(personID(b.Person)) + ", who has left", "refused"
	case audit.AccountLinked:
		return "linked an account of the sign-in service to " + n.person(personID(b.Person)), "moved"
	case audit.TermsAccepted:
		return "accepted the terms of " + n.firm(firmID(b.Firm)) + ", to " + v.at(b.Until).Text(), ""
	case audit.TrainingNoted:
		if b.Until.IsZero() {
			return "wrote that " + n.person(personID(b.Person)) + " has no training " + b.Training + " any more", "refused"
		}
		return "wrote that " + n.person(personID(b.Person)) + " has the training " + b.Training + ", to " + v.at(b.Until).Text(), ""
	case audit.EndingTold:
		who := n.firm(firmID(b.Firm))
		if b.Person != "" {
			who = n.person(personID(b.Person)) + ", " + who
		}
		return b.What + " of " + who + " ends " + v.at(b.Until).Text(), ""
	case audit.AccessListed:
		return "lists who is in " + scopeWords(b.Scope) + ", to be confirmed by " + v.at(b.Due).Text(), ""
	case audit.AccessSigned:
		says := "signed the access review of " + scopeWords(b.Scope)
		if len(b.Kept) > 0 {
			says += "; go on: " + strings.Join(n.list(b.Kept), ", ")
		}
		if len(b.Ended) > 0 {
			says += "; ended: " + strings.Join(n.list(b.Ended), ", ")
		}
		return says, "moved"
	case audit.FirmEnded:
		return "ended the contract of " + n.firm(firmID(b.Firm)) + because(b.Why), "refused"
	case audit.KeyVouched:
		return "signed that a key is " + n.person(personID(b.Person)) + "'s: " + b.Key, "moved"
	case audit.KeyRemoved:
		return "took a key of " + n.person(personID(b.Person)) + " away: " + b.Key, "refused"
	case audit.RecordingRecovered:
		return fmt.Sprintf("%s was found torn after a crash and made whole: %s cut off", b.File, bytesText(b.Lost)), "refused"
	case audit.RecordingLate:
		return fmt.Sprintf("nothing could be recorded in time for %.1f s, so nobody was admitted and nothing passed; it goes on", float64(b.Millis)/1000), "refused"
	case audit.RecordingFailed:
		return "the recording failed, so the session ended" + because(b.Why), "refused"
	case audit.ClockAccepted:
		return "said that the clock is right again", "moved"
	case audit.LogCreated:
		return "the log begins, for " + b.Origin, "moved"
	case audit.LogRecovered:
		return fmt.Sprintf("the log was found torn after a crash: %s cut off", bytesText(b.Lost)), "refused"
	case audit.NodeStopped:
		return "the broker stopped", ""
	case audit.EvidenceAsked:
		if b.Exports {
			return "took the evidence of " + b.Window + ", with what passed to be read", ""
		}
		return "took the evidence of " + b.Window, ""
	case audit.EvidenceDelivered:
		return "has all of the evidence of " + b.Window + ": " + bytesText(b.Bytes), ""
	case audit.MeasureBaseline:
		return fmt.Sprintf("says what measure %d was before: %.1f, from %s", b.Measure, float64(b.Tenths)/10, b.From), ""
	case audit.MeasureMinutes:
		return fmt.Sprintf("spent %d minutes of %s by hand%s", b.Minutes, b.Month, because(b.Why)), ""
	case audit.AssetBackup:
		return b.Asset + " was backed up " + v.at(b.Last).Text(), "moved"
	case audit.DebtOpened:
		return "is owed now: " + debtWords(b.Items), ""
	case audit.DebtClosed:
		return "is owed no more: " + debtWords(b.Items), ""
	case audit.BackupTaken:
		return "took a backup", ""
	case audit.BackupRestored:
		return fmt.Sprintf("brought back from a backup of %s: what came after it is lost", v.at(b.Taken).Text()), "refused"
	}
	return v.reviewSentence(body, n)
}

// recordingMode is who can open recordings, in words.
func recordingMode(n roll, b audit.RecordingMode) string {
	if b.Mode != "sealed" {
		return b.Mode
	}
	var who []string
	for _, a := range b.Auditors {
		who = append(who, n.person(personID(a.Person)))
	}
	return "sealed, opened by keys of " + strings.Join(who, ", ")
}

// plantSentence says how a file came in force.
func plantSentence(b audit.ConfigChanged) string {
	switch {
	case b.Back:
		return "the plant file of " + b.Change + " went back to the one before" + because(b.Why)
	case b.Change != "" && !b.Confirm.IsZero():
		return "put the plant file of " + b.Change + " in force, to be confirmed by " + b.Confirm.UTC().Format("15:04 UTC")
	case b.Change != "":
		return "put the plant file of " + b.Change + " in force"
	}
	return "a new " + b.Kind + " file is in force, taken from the disk"
}

// debtWords names the first of what is owed and counts the rest.
func debtWords(items []audit.DebtItem) string {
	if len(items) == 0 {
		return "nothing"
	}
	text := items[0].Kind + " of " + items[0].What
	if n := len(items) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
