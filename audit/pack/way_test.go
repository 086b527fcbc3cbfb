package pack_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
	"penstock/policy"
)

// A pack holds what the way to the machine rested on: who let the zone's agent in,
// the secret that was used, and the file that somebody let through.
func TestPackOfTheWay(t *testing.T) {
	text := strings.Replace(evidencetest.PlantText(), "shift: shift}", "shift: shift, reached_by: agent}", 1)
	text = strings.Replace(text, "{maint: {rights: [look, load],", "{maint: {login: password, rights: [look, load],", 1)
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if problems != nil {
		t.Fatal(problems)
	}
	s := evidencetest.New(plant)
	at, key, code := evidencetest.At, evidencetest.Key("agent"), audit.HashOf([]byte("agent"))
	put := func(after, step *evidencetest.Step) *evidencetest.Step {
		s.Drop(step)
		s.Steps = append(s.Steps, step)
		return s.Insert(after)
	}
	sum := audit.HashOf([]byte("a file"))
	after := put(s.Step("person.confirmed", 0), s.Add(50, "ines", audit.AgentInvited{Zone: "line-1", By: "ines", Code: code, Until: at(86400)}, "line-1", "agent/line-1"))
	after = put(after, s.Add(51, "penstock", audit.AgentJoined{Zone: "line-1", Code: code, Key: evidencetest.Fingerprint(key), Public: key}, "line-1", "agent/line-1"))
	after = put(after, s.Add(52, "otto", audit.AgentConfirmed{Zone: "line-1", Key: evidencetest.Fingerprint(key), By: "otto"}, "line-1", "agent/line-1"))
	put(after, s.Add(53, "ines", audit.SecretSealed{Asset: "filler-plc", Account: "maint", Kind: "password", Document: s.Put([]byte("sealed")), By: "ines", At: at(53)}, "filler-plc/maint", "secret/filler-plc/maint"))
	opened := s.Step("channel.opened", 0)
	b := opened.Event.Body.(audit.ChannelOpened)
	b.Agent = "line-1"
	opened.Event.Body = b
	second := 4022
	after = put(opened, s.Add(second, "penstock", audit.SecretUsed{Asset: "filler-plc", Account: "maint", Window: "W-1", Session: "S-1", Channel: b.Channel}, "filler-plc/maint"))
	put(after, s.Add(second, "ann", audit.FileHeld{File: "F-1", Window: "W-1", Session: "S-1", Channel: b.Channel, Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/a", Bytes: 6, SHA256: sum, At: at(second)}, "F-1", "file/F-1"))

	f := evidencetest.Build(t, t.TempDir(), s)
	o := order(t, f)
	pack := made(t, o)
	if got := checked(t, pack, verify.Trust{LogKey: f.Key}); !got.Proved() {
		t.Errorf("%+v", got.Findings)
	}
	for _, want := range []string{"agent.confirmed", "secret.sealed", "secret.used", "file.held"} {
		if !slices.Contains(leafTypes(t, pack, f), want) {
			t.Errorf("the pack has no %s", want)
		}
	}
}

// leafTypes are the types of the events in a pack.
func leafTypes(t *testing.T, pack []byte, f evidencetest.Folder) (types []string) {
	t.Helper()
	const first = "c2sp.org/tlog-proof@v1\n"
	v, err := audit.LogVerifier(f.Dir + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries(t, pack) {
		if e.name != "log/events.tlog-proofs" {
			continue
		}
		for text := range strings.SplitSeq(strings.TrimPrefix(string(e.text), first), first) {
			p, err := audit.ParseProof([]byte(first + text))
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := p.Check(v)
			if err != nil {
				t.Fatal(err)
			}
			types = append(types, leaf.Body.Type())
		}
	}
	return types
}
