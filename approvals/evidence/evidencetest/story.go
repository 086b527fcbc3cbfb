// Package evidencetest tells one believable night as events and documents, for
// tests of what checks a log: a vendor's engineer asks, two people of the plant
// agree, the shift opens and extends, a session runs and ends.
//
// Nothing in it is random or of the present. It is for tests only and trusts
// its caller to change what the test is about.
package evidencetest

import (
	"crypto/ed25519"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Night is when the story begins: a Saturday, 21:00 in Kiel.
var Night = time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)

// Step is one event, at a time, with the rows that it changes.
type Step struct {
	Wall  time.Time
	Rows  []string // keys; the first is the one whose revision the event makes. None: it keeps no state
	Event audit.Event
}

// Story is a log before it is written.
type Story struct {
	Docs    map[audit.Hash][]byte
	Steps   []*Step
	Request evidence.Request
	Claim   evidence.WindowClaim
	Answers map[string]evidence.Answer // by person; mia's is the extension
	Counts  []*Step                    // the answers that window.agreed counts on; nil: as its body says
	plant   audit.Hash
	rights  []string
	file    *policy.Plant

	Rows   []recording.Operation   // what an inspector saw in each channel, for Build
	Header func(*recording.Header) // alters what a recording says of itself, for Build; may be nil
}

//go:embed plant.yaml
var plantText []byte

// PlantText is the plant file of the story, to be changed.
func PlantText() string { return string(plantText) }

// Plant is the plant file of the story.
func Plant() *policy.Plant {
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": plantText})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	return p
}

// AnnKey is ann's, in authorized_keys form.
var AnnKey = Key("ann")

// Key is the ssh-ed25519 public key of somebody, in authorized_keys form.
func Key(who string) string {
	blob := append([]byte("\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"), private(who).Public().(ed25519.PublicKey)...)
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob)
}

// Fingerprint is OpenSSH's of a key made by Key.
func Fingerprint(line string) string {
	blob, err := base64.StdEncoding.DecodeString(line[len("ssh-ed25519 "):])
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// Bootstrap are the plant's first people: olaf owns the line, ines and otto are
// OT security, mia has the shift.
func Bootstrap() []byte {
	text := "firms:\n  fjord: {name: Fjord Dairy Kiel, plant: true}\n  krall: {name: Krall Fillers, sponsor: olaf, networks: [198.51.100.0/24]}\npeople:\n"
	for _, p := range []struct{ id, role string }{{"olaf", "line-1-owner"}, {"ines", "ot-security"}, {"otto", "ot-security"}, {"mia", "shift"}} {
		text += fmt.Sprintf("  %s: {name: %s, firm: fjord, roles: [%s], key: %s}\n", p.id, p.id, p.role, Key(p.id))
	}
	return []byte(text)
}

// New tells the whole night, without fault; rights: look and load, where none are named.
func New(plant *policy.Plant, rights ...string) *Story {
	if len(rights) == 0 {
		rights = []string{"look", "load"}
	}
	s := &Story{rights: rights, Docs: map[audit.Hash][]byte{}, Answers: map[string]evidence.Answer{}}
	s.plant, s.file = s.Put(plant.Document()), plant
	s.begin()
	s.ask()
	s.agree()
	s.work()
	s.end()
	return s
}

// Put keeps a document.
func (s *Story) Put(b []byte) audit.Hash {
	h := audit.HashOf(b)
	s.Docs[h] = b
	return h
}

// PutJSON keeps a document in its canonical form.
func (s *Story) PutJSON(v any) audit.Hash {
	b, err := audit.Canonical(v)
	if err != nil {
		panic(err)
	}
	return s.Put(b)
}

// Add adds a step at a second of the night. The subject is what follows the
// slash of the first row.
func (s *Story) Add(second int, actor string, body audit.Body, subject string, rows ...string) *Step {
	step := &Step{Wall: At(second), Rows: rows, Event: audit.Event{Subject: subject, Actor: actor, Body: body}}
	s.Steps = append(s.Steps, step)
	return step
}

// At is a second of the night.
func At(second int) time.Time { return Night.Add(time.Duration(second) * time.Second) }

func (s *Story) begin() {
	s.Add(0, "penstock", audit.LogCreated{Origin: "kiel.example/audit/a", Bootstrap: s.Put(Bootstrap())}, "bootstrap", "bootstrap/1")
	s.Add(1, "penstock", audit.NodeStarted{Version: "test"}, "a")
	s.Add(2, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.plant}, "plant")
	for i, who := range []string{"olaf", "ines", "otto", "mia"} {
		s.Add(10+i, who, audit.KeyEnrolled{Person: who, Kind: "totp", Key: "totp", Sealed: s.Put([]byte("sealed " + who)), By: who}, who, "person/"+who)
	}
	code := audit.HashOf([]byte("code"))
	s.Add(20, "olaf", audit.PersonInvited{Person: "ann", Firm: "krall", Name: "Ann", By: "olaf", Code: code, Until: At(86400)}, "ann", "invitation/"+code.String()[7:])
	s.Add(30, "ann", audit.PersonJoined{Person: "ann", Code: code, Key: Fingerprint(AnnKey), Public: AnnKey}, "ann", "person/ann", "invitation/"+code.String()[7:], "key/"+Fingerprint(AnnKey))
	s.Add(40, "olaf", audit.PersonConfirmed{Person: "ann", Key: Fingerprint(AnnKey), By: "olaf"}, "ann", "person/ann", "key/"+Fingerprint(AnnKey))
}

// Nonce is the nth of the story's.
func Nonce(n int) string {
	sum := sha256.Sum256([]byte("nonce " + strconv.Itoa(n)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Story) ask() {
	s.Request = evidence.Request{V: 1, Request: "R-1", Rev: 1, Firm: "krall", By: "ann", People: []string{"ann"}, Kind: "remote",
		Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}, Rights: s.rights, Reason: "Valve timing",
		WorkOrder: "4711", Minutes: 60, From: At(3600), To: At(6 * 3600), Open: "shift", Plant: s.plant, Nonce: Nonce(0)}
	evidence.Tell(s.file, &s.Request)
	s.Add(100, "ann", audit.RequestSubmitted{Request: "R-1", Rev: 1, Firm: "krall", By: "ann", Document: s.PutJSON(s.Request), Plant: s.plant}, "R-1", "request/R-1")
	s.Add(101, "penstock", audit.PersonAsked{Role: "line-1-owner", People: []string{"olaf"}}, "R-1")
}

// Answer adds an answer of somebody of the plant at a second; do may change it.
func (s *Story) Answer(second int, who, role, says string, do func(*evidence.Answer)) *Step {
	a := evidence.Answer{V: 1, Request: s.PutJSON(s.Request), Person: who, Firm: "fjord", Role: role, Says: says,
		Nonce: Nonce(second), At: At(second), DecideBy: s.Request.To}
	if says == evidence.Yes || says == evidence.Extend {
		a.Proof = evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(At(second).Unix()/30, 10)}
	}
	if do != nil {
		do(&a)
	}
	s.Answers[who] = a
	return s.Add(second, who, audit.AnswerGiven{Request: "R-1", Rev: 1, Person: who, Firm: a.Firm, Roles: []string{role}, Says: says,
		Document: s.PutJSON(a), NotBefore: a.NotBefore}, "R-1", "request/R-1")
}

func (s *Story) agree() { s.agreeWith(nil, nil) }

func (s *Story) agreeWith(olaf, ines func(*evidence.Answer)) {
	s.Counts = []*Step{
		s.Answer(200, "olaf", "line-1-owner", evidence.Yes, func(a *evidence.Answer) {
			a.Limits.Until = At(4 * 3600)
			if olaf != nil {
				olaf(a)
			}
		}),
		s.Answer(300, "ines", "ot-security", evidence.Yes, ines),
	}
	claim, err := evidence.Narrow(s.Request, []evidence.Answer{s.Answers["olaf"], s.Answers["ines"]})
	if err != nil {
		panic(err)
	}
	claim.Window = "W-1"
	s.Claim = claim
	s.Add(301, "penstock", audit.WindowAgreed{Window: "W-1", Request: "R-1", Rev: 1, Firm: "krall", Claim: s.PutJSON(claim)}, "W-1", "window/W-1", "request/R-1")
}

// Move adds a step of the window.
func (s *Story) Move(second int, by, to string, until time.Time) *Step {
	return s.Add(second, by, audit.WindowMoved{Window: "W-1", To: to, By: by, At: At(second), Until: until}, "W-1", "window/W-1")
}

func (s *Story) work() {
	s.Move(4000, "mia", "opened", At(4000+3600))
	s.Add(4010, "penstock", audit.CertIssued{Serial: "77", CA: "in", Key: Fingerprint(AnnKey), KeyID: "w=W-1", Person: "ann", Windows: []string{"W-1"},
		Names: []string{"ann"}, After: At(3890), Before: At(7600)}, "ann")
	s.Add(4020, "penstock", audit.SessionStarted{Session: "S-1", Person: "ann", Firm: "krall", Windows: []string{"W-1"}, Serial: "77",
		Source: "198.51.100.7:4000", Client: "SSH-2.0-OpenSSH_9.2", Kex: "mlkem768x25519-sha256", Mode: "readable"}, "S-1")
	s.Add(4021, "penstock", audit.ChannelOpened{Session: "S-1", Channel: 0, Window: "W-1", Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "maint",
		Target: "10.20.1.11:22", Path: []string{"dmz", "line-1"}, Rule: "load", Rights: s.rights}, "S-1")
	s.Add(4022, "penstock", audit.CertIssued{Serial: "78", CA: "out", Key: "SHA256:x", KeyID: "broker=a", Names: []string{"maint@filler-plc.kiel"},
		After: At(3902), Before: At(4322), Session: "S-1"}, "S-1")
	s.Add(4023, "penstock", audit.FirstByte{Session: "S-1", Window: "W-1"}, "S-1")
}

func (s *Story) end() { s.endWith(nil) }

func (s *Story) endWith(mia func(*evidence.Answer)) {
	s.Extend(7000, At(4*3600), mia)
	s.Add(9000, "penstock", audit.ChannelClosed{Session: "S-1", Channel: 0, In: 12, Out: 40, Exit: "0", Cause: "client"}, "S-1")
	s.Add(9001, "penstock", audit.SessionEnded{Session: "S-1", Cause: "client"}, "S-1")
	s.Move(4*3600+1, "penstock", "ended", At(4*3600))
	s.Add(15000, "ann", audit.HandbackGiven{Window: "W-1", By: "ann", Text: s.Put([]byte("valve 3 set to 40 ms"))}, "W-1", "window/W-1")
	s.Add(15100, "mia", audit.HandbackAccepted{Window: "W-1", By: "mia"}, "W-1", "window/W-1")
	s.Add(15200, "penstock", audit.NodeStopped{}, "a")
}

// Extend adds mia's extension to a new end; do may change her answer.
func (s *Story) Extend(second int, until time.Time, do func(*evidence.Answer)) *Step {
	a := evidence.Answer{V: 1, Request: s.PutJSON(s.Request), Person: "mia", Firm: "fjord", Role: "shift", Says: evidence.Extend, Window: "W-1", Until: until,
		Nonce: Nonce(second), At: At(second), DecideBy: s.Request.To,
		Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: strconv.FormatInt(At(second).Unix()/30, 10)}}
	if do != nil {
		do(&a)
	}
	s.Answers["mia"] = a
	return s.Add(second, "mia", audit.WindowMoved{Window: "W-1", To: "extended", By: "mia", At: At(second), Until: until, Answer: s.PutJSON(a)}, "W-1", "window/W-1")
}

// Step finds the nth step (from 0) of an event type.
func (s *Story) Step(name string, n int) *Step {
	for _, step := range s.Steps {
		if step.Event.Body.Type() == name {
			if n == 0 {
				return step
			}
			n--
		}
	}
	panic("the story has no such step: " + name)
}

// Drop takes a step out.
func (s *Story) Drop(step *Step) {
	s.Steps = slices.DeleteFunc(s.Steps, func(x *Step) bool { return x == step })
}

// Insert moves the newest step behind another one.
func (s *Story) Insert(after *Step) *Step {
	last := s.Steps[len(s.Steps)-1]
	s.Steps = s.Steps[:len(s.Steps)-1]
	s.Steps = slices.Insert(s.Steps, slices.Index(s.Steps, after)+1, last)
	return last
}

// Revise fills in revision and rows of each event, as the journal would.
func (s *Story) Revise() {
	for _, step := range s.Steps {
		if b, ok := step.Event.Body.(audit.WindowAgreed); ok && s.Counts != nil {
			b.Answers = s.places()
			step.Event.Body = b
		}
	}
	revs := map[string]uint64{}
	for _, step := range s.Steps {
		if len(step.Rows) == 0 {
			continue
		}
		step.Event.Rows = map[string]audit.Hash{}
		for _, key := range step.Rows {
			revs[key]++
			step.Event.Rows[key] = audit.HashOf([]byte(key + strconv.FormatUint(revs[key], 10)))
		}
		step.Event.Rev = revs[step.Rows[0]]
	}
}

// places are those of the answers that count.
func (s *Story) places() (list []string) {
	for _, c := range s.Counts {
		if i := slices.Index(s.Steps, c); i >= 0 {
			list = append(list, "a/"+strconv.Itoa(i))
		}
	}
	return list
}

// Leaves are the story as a log would give it back.
func (s *Story) Leaves() []audit.Leaf {
	s.Revise()
	var leaves []audit.Leaf
	for i, step := range s.Steps {
		leaves = append(leaves, audit.Leaf{Event: step.Event, Index: audit.Index(i), Wall: step.Wall, Mono: step.Wall.Sub(Night), Boot: "boot", Node: "a"})
	}
	return leaves
}
