package policy

import "fmt"

// rule looks for the rules that match: every right needs one that can allow.
func (w *walk) rule() no {
	rights := w.effect()
	if left := w.p.uncovered(w.asset, PortName(w.protocol), rights); left != 0 {
		return noRule(w.asset, left)
	}
	var strictest *Rule
	w.d.Duties.Escort = w.f.Window.Escort && w.q.Stage != AtAsk
	for _, r := range w.asset.rules {
		if !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		w.d.Duties.Escort = w.d.Duties.Escort || r.Escort
		if r.Open != "" && (strictest == nil || stricter(r, strictest)) {
			strictest = r
		}
	}
	w.d.Rule = strictest.Name
	if w.trace == nil {
		return nil
	}
	return w.yes("rule", "the strictest that matches is %s", strictest.Name)
}

// effect is what the channel can really do, and so what the rules are asked
// for: where nobody stops the account, a question for look alone does not make
// it harmless. Opening a window is opening all of it.
func (w *walk) effect() Rights {
	switch {
	case w.probe():
		return Look
	case w.q.Stage == AtOpen:
		return w.q.Rights | w.f.Window.Rights
	case w.way.Enforced == ByPenstock:
		return w.q.Rights
	}
	return w.q.Rights | w.way.Worst&w.agreedRights()
}

// emergency: so was asked, and the plant file in force still has it.
func (w *walk) emergency() bool {
	if w.q.Stage == AtAsk {
		return w.q.Emergency && w.p.Emergency.There()
	}
	return w.f.Window.Emergency && w.p.Emergency.There()
}

// agreedRights are what the window as a whole is for; at the ask, what is asked.
func (w *walk) agreedRights() Rights {
	if w.q.Stage == AtAsk {
		return w.q.Rights
	}
	return w.f.Window.Rights
}

func (w *walk) gate() no {
	rights := w.effect()
	asked := 0
	for _, r := range w.asset.rules {
		if len(r.Gates) == 0 || !r.matches(w.asset, PortName(w.protocol), rights) {
			continue
		}
		for _, name := range r.Gates {
			if asked++; !w.f.Live.Gates[name] && !w.held() {
				return refusal("gate:"+name, fmt.Sprintf("this work waits for %s; wait, or ask the shift", w.p.gates[name].Title), "rule %s asks gate %s, and it does not say yes", r.Name, name)
			}
		}
	}
	for _, name := range w.f.Window.Gates {
		if asked++; !w.f.Live.Gates[name] && !w.held() {
			title := name
			if g := w.p.gates[name]; g != nil {
				title = g.Title
			}
			return refusal("gate:"+name, fmt.Sprintf("this work waits for %s; wait, or ask the shift", title), "what was agreed asks gate %s, and it does not say yes", name)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("gate", "%d asked, all say yes", asked)
}

// held: what is open stays while its input waits.
func (w *walk) held() bool { return w.f.Live.Held && w.q.Stage == AtOperation }

func (w *walk) escort() no {
	if w.d.Duties.Escort && !w.f.Live.Escort && !w.held() {
		return refusal("escort", "somebody of the plant must watch this work; wait until the escort is there", "no escort is watching")
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("escort", "asked: %t, there: %t", w.d.Duties.Escort, w.f.Live.Escort)
}

// oneWriter keeps two sessions from changing one machine at a time.
func (w *walk) oneWriter() no {
	writer := w.f.Live.Writers[w.asset.Name]
	if w.asset.OneWriter && w.effect()&^(Look|Copy) != 0 && writer != "" && writer != w.q.Session {
		return refusal("one-writer", fmt.Sprintf("somebody else is changing %s now; wait, or ask for look only", w.asset.Name), "session %s writes to %s", writer, w.asset.Name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("one writer", "nobody else writes, or many may")
}
