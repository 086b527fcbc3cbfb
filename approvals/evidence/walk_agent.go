package evidence

import (
	"time"

	"penstock/audit"
)

// agentSeen is what the leaves say of a zone's agent.
type agentSeen struct {
	by      string // who invited
	code    audit.Hash
	until   time.Time
	pending string // fingerprint
	stands  bool   // one was confirmed, and not removed since
	removed time.Time
}

// stood: it stands, or did a moment ago: what went through it may reach the log later.
func (a *agentSeen) stood(now time.Time) bool {
	return a != nil && (a.stands || !a.removed.IsZero() && !now.After(a.removed.Add(settleTime)))
}

// agent is what the leaves say of a zone's agent so far.
func (w *Walk) agent(zone string) *agentSeen {
	if w.agents[zone] == nil {
		w.agents[zone] = &agentSeen{}
	}
	return w.agents[zone]
}

// judgeAgents says whether the leaf was about a zone's agent: invited by OT
// security, brought in time and once, confirmed by somebody else than invited it.
func (w *Walk) judgeAgents() bool {
	switch b := w.leaf.Body.(type) {
	case audit.AgentInvited:
		w.must(w.plantPerson(b.By) && w.isSecurity(b.By), "an agent invited by %s, who is not OT security", short(b.By))
		a := w.agent(b.Zone) // one that stands goes on until another is confirmed
		a.by, a.code, a.until, a.pending = b.By, b.Code, b.Until, ""
	case audit.AgentJoined:
		a := w.agents[b.Zone]
		if !w.must(a != nil && a.code == b.Code && !b.Code.IsZero(), "the agent of %s joined without an invitation", short(b.Zone)) {
			return true
		}
		w.must(!w.leaf.Wall.After(a.until), "the agent of %s joined after the invitation's end %s", short(b.Zone), clock(a.until))
		print, err := fingerprint(b.Public)
		w.must(err == nil && print == b.Key, "the key of the agent of %s is not what its fingerprint says", short(b.Zone))
		owner, taken := w.owners[b.Key]
		w.must(!taken, "the key of the agent of %s is %s's already", short(b.Zone), owner)
		w.owners[b.Key] = "the agent of " + b.Zone
		a.pending, a.code = b.Key, audit.Hash{}
	case audit.AgentConfirmed:
		a, p := w.agents[b.Zone], w.known(b.By)
		if !w.must(a != nil && a.pending != "" && a.pending == b.Key, "the agent of %s was confirmed, and had brought no such key", short(b.Zone)) {
			return true
		}
		w.must(w.plantPerson(b.By) && len(p.roles) > 0, "an agent confirmed by %s, who is nobody of the plant with a role", short(b.By))
		w.must(b.By != a.by, "the agent of %s was invited and confirmed by the same person", short(b.Zone))
		a.pending, a.stands = "", true
	case audit.AgentRemoved:
		p := w.justKnown(b.By)
		w.must(p != nil && w.ofPlant(p) || w.recovering && b.By == penstock && w.leaf.Actor == penstock, "an agent removed by %s, who is nobody of the plant", short(b.By))
		w.agents[b.Zone] = &agentSeen{removed: w.leaf.Wall}
	default:
		return false
	}
	return true
}
