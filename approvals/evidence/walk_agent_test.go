package evidence_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// withAgent has ines invite an agent for line-1 and otto confirm it, before the night.
func withAgent(s *evidencetest.Story) {
	key, code := evidencetest.Key("agent"), audit.HashOf([]byte("agent"))
	after := s.Step("person.confirmed", 0)
	for _, step := range []*evidencetest.Step{
		s.Add(50, "ines", audit.AgentInvited{Zone: "line-1", By: "ines", Code: code, Until: at(86400)}, "line-1", "agent/line-1"),
		s.Add(51, "penstock", audit.AgentJoined{Zone: "line-1", Code: code, Key: evidencetest.Fingerprint(key), Public: key}, "line-1", "agent/line-1"),
		s.Add(52, "otto", audit.AgentConfirmed{Zone: "line-1", Key: evidencetest.Fingerprint(key), By: "otto"}, "line-1", "agent/line-1"),
	} {
		s.Drop(step)
		s.Steps = append(s.Steps, step)
		after = s.Insert(after)
	}
}

// throughAgent has the plant file reach line-1 by its agent, and the channel say which it went through.
func throughAgent(s *evidencetest.Story, zone string) {
	text := strings.Replace(evidencetest.PlantText(), "shift: shift}", "shift: shift, reached_by: agent}", 1)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	s.Add(3990, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(p.Document())}, "plant")
	s.Insert(s.Step("window.agreed", 0))
	change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Agent = zone })
}

func TestWalkAgents(t *testing.T) {
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  []string
	}{
		{"invited, brought, confirmed by another", withAgent, nil},
		{"and worked through", func(s *evidencetest.Story) { withAgent(s); throughAgent(s, "line-1") }, nil},
		{"the leaf leaves the agent out", func(s *evidencetest.Story) { withAgent(s); throughAgent(s, "") }, []string{"goes through the agent of"}},
		{"the leaf makes an agent up", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Agent = "line-1" })
		}, []string{"by the plant file in force: it goes through the agent of", "although it goes through the agent of line-1"}},
		{"worked through one that nobody confirmed", func(s *evidencetest.Story) {
			withAgent(s)
			throughAgent(s, "line-1")
			s.Drop(s.Step("agent.confirmed", 0))
		}, []string{"although it goes through the agent of line-1"}},
		{"worked through one that was taken away", func(s *evidencetest.Story) {
			withAgent(s)
			throughAgent(s, "line-1")
			s.Add(3995, "ines", audit.AgentRemoved{Zone: "line-1", By: "ines", Why: "stolen"}, "line-1", "agent/line-1")
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"although it goes through the agent of line-1"}},
		{"and another is invited meanwhile", func(s *evidencetest.Story) {
			withAgent(s)
			throughAgent(s, "line-1")
			s.Add(3995, "ines", audit.AgentInvited{Zone: "line-1", By: "ines", Code: audit.HashOf([]byte("next")), Until: at(86400)}, "line-1", "agent/line-1")
			s.Insert(s.Step("window.agreed", 0))
		}, nil},
		{"invited by the shift", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.invited", 0), func(b *audit.AgentInvited) { b.By = "mia" })
		}, []string{"who is not OT security"}},
		{"confirmed by who invited", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.confirmed", 0), func(b *audit.AgentConfirmed) { b.By = "ines" })
		}, []string{"invited and confirmed by the same person"}},
		{"confirmed by the vendor", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.confirmed", 0), func(b *audit.AgentConfirmed) { b.By = "nobody" })
		}, []string{"nobody of the plant with a role"}},
		{"another key than was confirmed", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.confirmed", 0), func(b *audit.AgentConfirmed) { b.Key = "SHA256:other" })
		}, []string{"had brought no such key"}},
		{"brought without an invitation", func(s *evidencetest.Story) { withAgent(s); s.Drop(s.Step("agent.invited", 0)) },
			[]string{"joined without an invitation", "had brought no such key"}},
		{"brought too late", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.invited", 0), func(b *audit.AgentInvited) { b.Until = at(40) })
		}, []string{"after the invitation's end"}},
		{"with somebody's own key", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.joined", 0), func(b *audit.AgentJoined) {
				b.Public, b.Key = evidencetest.AnnKey, evidencetest.Fingerprint(evidencetest.AnnKey)
			})
			change(s.Step("agent.confirmed", 0), func(b *audit.AgentConfirmed) { b.Key = evidencetest.Fingerprint(evidencetest.AnnKey) })
		}, []string{"is ann's already"}},
		{"with another key than its fingerprint", func(s *evidencetest.Story) {
			withAgent(s)
			change(s.Step("agent.joined", 0), func(b *audit.AgentJoined) { b.Public = evidencetest.Key("x") })
		}, []string{"is not what its fingerprint says"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.New(evidencetest.Plant())
			row.do(s)
			_, found, _ := walk(s)
			for _, want := range row.want {
				if !strings.Contains(strings.Join(found, "\n"), want) {
					t.Errorf("%q is not found in %q", want, found)
				}
			}
			found = slices.DeleteFunc(found, func(f string) bool { return strings.Contains(f, " did it, and the leaf says ") })
			if len(row.want) == 0 && len(found) > 0 || len(row.want) > 0 && len(found) != len(row.want) {
				t.Errorf("found: %q", found)
			}
		})
	}
}
