package policy

// onSite says whether the question is about a laptop at the machine itself, for
// which there is no way in, no conduit and no account: what is left of the rules
// is who may do what, where and when. Of a connection it is never asked.
func (w *walk) onSite() bool {
	switch w.q.Stage {
	case AtAsk:
		return w.q.OnSite
	case AtOpen:
		return w.f.Window.OnSite
	}
	return false
}

// atMachine stands for the way in of work on site. The empty port meets the rules
// of all ports of the asset, so the strictest of them counts.
func (w *walk) atMachine() no {
	if w.q.Port != "" || w.q.Account != "" {
		return refusal("on-site", "work on site names the machine alone; leave the way in and the account out", "on site by port %q as %q", w.q.Port, w.q.Account)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("way in", "none: on site, with a laptop at %s; nobody stops what was not agreed, and nothing is recorded", w.asset.Name)
}

// neverOnSite keeps every connection out of a window that is for work on site.
func (w *walk) neverOnSite() no {
	if !w.f.Window.OnSite || w.q.Stage == AtOpen {
		return nil
	}
	return refusal("on-site", "window "+string(w.f.Window.ID)+" is for work on site with a laptop, and nobody connects by it; ask for access from outside", "window %s is on site, which no connection is for", w.f.Window.ID)
}
