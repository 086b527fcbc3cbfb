package policy

import "time"

// A connectivity test proves before the job that the way works: the vendor's
// certificate and network, the conduits, the machine's port, its host key, and
// that the account logs in. Then the connection is closed: no byte passes to the
// machine or from it, so the account's worst and one writer do not matter. Gates and
// calendars do, where a rule for looking names them.

// LongestProbe is the longest of such a window, and the rules' longest for looking
// where that is shorter.
const LongestProbe = 30 * time.Minute

// ProbeQuorum is who agrees to a connectivity test: one of the shift of each
// machine's zone, whatever the rules' plans say. Its first use opens it. The error
// is a *Refusal.
func (p *Plant) ProbeQuorum(assets []AssetName, rights Rights) (Quorum, error) {
	if rights != Look {
		return Quorum{}, &Refusal{Rule: "connectivity", Say: "Trying the way has no right to the machine. Ask to look, and nothing else."}
	}
	q, err := p.Quorum(assets, Look)
	if err != nil {
		return q, err
	}
	q.Needs = nil
	for _, role := range q.Openers {
		q.Needs = append(q.Needs, Need{Role: role, Count: 1, Rule: "connectivity"})
	}
	q.Open, q.Ask, q.Backup, q.Grace = "vendor", nil, 0, 0
	if q.Longest > LongestProbe {
		q.Longest = LongestProbe
	}
	return q, nil
}

// probe says whether the question is about a connectivity test.
func (w *walk) probe() bool {
	if w.q.Stage == AtAsk {
		return w.q.Probe
	}
	return w.f.Window.Probe
}

// probed refuses what a connectivity test is not for.
func (w *walk) probed() no {
	if !w.probe() || w.q.Rights == Look {
		return nil
	}
	return refusal("connectivity", "trying the way has no right to the machine; ask to look, and nothing else", "asked %s of a connectivity test", w.q.Rights)
}
