package web

import (
	"slices"

	"penstock/broker/login"
)

// Who may use a page; what exactly they may see and do there is the Desk's,
// the Roster's and the Book's to say.
type Who int

const (
	Anybody   Who = iota
	SignedIn      // the plant's people and vendors' people
	PlantOnly     // the plant's own
	KioskOnly     // an enrolled screen of the control room; no person
)

// Route is one path of the pages.
type Route struct {
	Pattern string // "POST /windows/{id}/open"
	Who     Who
	Giving  string // not empty: it gives something, so it wants a code of the last five minutes; the button's words
	do      func(*visit) error
}

// Routes are all paths of the pages, for whoever tests that each is guarded.
func (g *Pages) Routes() []Route { return g.routes }

// table is every page, by what it is about.
func (g *Pages) table() []Route {
	return slices.Concat(g.doorRoutes(), g.requestRoutes(), g.agreementRoutes(), g.windowRoutes(), g.kioskRoutes(), g.peopleRoutes(), g.machineRoutes(), g.recordRoutes())
}

// doorRoutes: who comes in.
func (g *Pages) doorRoutes() []Route {
	return []Route{
		{"GET /sign-in", Anybody, "", g.signInPage},
		{"POST /sign-in", Anybody, "", g.signInPost},
		{"POST /sign-in/passkey/begin", Anybody, "", g.beginPasskeyIn},
		{"POST /sign-in/passkey", Anybody, "", g.passkeyIn},
		{"GET /sign-in/service", Anybody, "", g.toService},
		{"GET /envelope", Anybody, "", g.envelopePage},
		{"POST /envelope", Anybody, "", g.openEnvelope},
		{"GET /envelopes", PlantOnly, "", g.envelopesPage},
		{"POST /sign-out", SignedIn, "", g.signOut},
		{"GET /static/{file}", Anybody, "", g.static},
		{"GET /live", SignedIn, "", g.follow},
		{"GET /{$}", SignedIn, "", g.board},
		{"GET /keys", PlantOnly, "", g.keysPage},
		{"POST /keys/new", PlantOnly, "Add a passkey", g.newPasskey},
		{"POST /keys", PlantOnly, "Add a passkey", g.enrolPasskey},
		{"GET " + login.ServiceBack, Anybody, "", g.fromService},
	}
}

// requestRoutes: what is asked for, and answered.
func (g *Pages) requestRoutes() []Route {
	return []Route{
		{"GET /requests", SignedIn, "", g.requestList},
		{"GET /requests/new", SignedIn, "", g.askPage},
		{"POST /requests/new", SignedIn, "", g.ask},
		{"POST /requests/call", PlantOnly, "Call them in", g.callIn},
		{"POST /requests/{id}/call", PlantOnly, "Make a new code", g.callAgain},
		{"GET /requests/{id}", SignedIn, "", g.requestPage},
		{"POST /requests/{id}/yes", PlantOnly, "Say yes", g.sayYes},
		{"POST /requests/{id}/yes/draft", PlantOnly, "", g.draftYes},
		{"POST /requests/{id}/not-now", PlantOnly, "", g.notNow},
		{"POST /requests/{id}/tell", SignedIn, "", g.tell},
		{"POST /requests/{id}/priority", PlantOnly, "", g.prioritise},
		{"POST /requests/{id}/withdraw", SignedIn, "", g.withdraw},
		{"GET /requests/{id}/receipts", SignedIn, "", g.receiptFile},
		{"POST /requests/{id}/spoken/yes/draft", PlantOnly, "", g.draftSpoken},
		{"POST /requests/{id}/spoken/yes", PlantOnly, "Write the yes down", g.saySpoken},
		{"GET /a/{tag}", SignedIn, "", g.byTag},
		{"GET /labels", PlantOnly, "", g.labels},
		{"GET /terms", SignedIn, "", g.termsPage},
		{"POST /terms", SignedIn, "", g.acceptTerms},
		{"GET /access", PlantOnly, "", g.accessPage},
		{"GET /access/{kind}/{id}", PlantOnly, "", g.accessListPage},
		{"POST /access/{kind}/{id}/begin", PlantOnly, "", doneOnce(g.beginAccess)},
		{"POST /access/{kind}/{id}/sign", PlantOnly, "Sign the review", doneOnce(g.signAccess)},
	}
}

// agreementRoutes: what was agreed by day, or is to be changed.
func (g *Pages) agreementRoutes() []Route {
	return []Route{
		{"GET /patterns", SignedIn, "", g.patternsPage},
		{"GET /patterns/new", PlantOnly, "", g.proposePage},
		{"POST /patterns/new", PlantOnly, "", doneOnce(g.propose)},
		{"GET /patterns/{id}", SignedIn, "", g.patternPage},
		{"POST /patterns/{id}/yes/draft", PlantOnly, "", g.drafts(g.Desk.DraftPattern)},
		{"POST /patterns/{id}/yes", PlantOnly, "Say yes", g.sayPattern},
		{"POST /patterns/{id}/no", PlantOnly, "", g.sayPattern},
		{"POST /patterns/{id}/withdraw", PlantOnly, "", g.withdrawPattern},
		{"GET /standing", SignedIn, "", g.standingPage},
		{"POST /standing/new", SignedIn, "Ask", g.askStanding},
		{"GET /spoken", PlantOnly, "", g.spokenPage},
		{"POST /spoken/{id}/yes/draft", PlantOnly, "", g.draftCountersign},
		{"POST /spoken/{id}/yes", PlantOnly, "Sign it", g.countersign},
		{"POST /spoken/{id}/clear", PlantOnly, "Let it stand", g.clearSpoken},
		{"GET /plant", PlantOnly, "", g.plantPage},
		{"GET /plant/{id}", PlantOnly, "", g.changePage},
		{"POST /plant/{id}/yes/draft", PlantOnly, "", g.drafts(g.Desk.DraftPlant)},
		{"POST /plant/{id}/yes", PlantOnly, "Say yes", g.sayPlant},
		{"POST /plant/{id}/no", PlantOnly, "", g.sayPlant},
		{"POST /plant/{id}/apply", PlantOnly, "Put in force", g.stepPlant},
		{"POST /plant/{id}/confirm", PlantOnly, "Keep it", g.stepPlant},
		{"POST /plant/{id}/back", PlantOnly, "", g.stepPlant},
		{"POST /plant/{id}/withdraw", PlantOnly, "", g.stepPlant},
		{"GET /outages", PlantOnly, "", g.outagesPage},
		{"POST /outages/plan", PlantOnly, "", g.planOutage},
		{"POST /outages", PlantOnly, "", doneOnce(g.proposeOutage)},
		{"GET /outages/{id}", PlantOnly, "", g.outagePage},
		{"POST /outages/{id}/yes/draft", PlantOnly, "", g.draftList},
		{"POST /outages/{id}/yes", PlantOnly, "Sign the list", g.signList},
		{"POST /outages/{id}/rows", PlantOnly, "", g.putOnList},
		{"POST /outages/{id}/open", PlantOnly, "Open the windows of the crew", g.openCrew},
		{"POST /outages/{id}/withdraw", PlantOnly, "", g.withdrawOutage},
	}
}

// windowRoutes: what runs, and taking it away.
func (g *Pages) windowRoutes() []Route {
	return []Route{
		{"GET /windows/{id}", SignedIn, "", g.windowPage},
		{"GET /windows/{id}/receipts", SignedIn, "", g.receiptFile},
		{"POST /windows/{id}/open", PlantOnly, "Open", g.windowStep},
		{"POST /windows/{id}/open/draft", PlantOnly, "", g.draftTap},
		{"POST /windows/{id}/extend", PlantOnly, "Extend", g.windowStep},
		{"POST /windows/{id}/extend/draft", PlantOnly, "", g.draftLater},
		{"POST /windows/{id}/step-up", PlantOnly, "Give the second tap", g.windowStep},
		{"POST /windows/{id}/step-up/draft", PlantOnly, "", g.draftStep},
		{"POST /windows/{id}/go-on", PlantOnly, "Let it go on", g.windowStep},
		{"POST /windows/{id}/go-on/draft", PlantOnly, "", g.draftTap},
		{"POST /windows/{id}/pause", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/pause-after", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/narrow", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/cut", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/file", PlantOnly, "Let it through", g.fileStep},
		{"POST /windows/{id}/file-no", PlantOnly, "", g.fileStep},
		{"POST /windows/{id}/gate", PlantOnly, "Say it", g.gateStep},
		{"POST /windows/{id}/gate-back", PlantOnly, "", g.gateStep},
		{"POST /gates/{gate}", PlantOnly, "Say that it runs", g.outageStep},
		{"POST /gates/{gate}/over", PlantOnly, "", g.outageStep},
		{"POST /windows/{id}/escort", PlantOnly, "Be the escort", g.escortStep},
		{"POST /windows/{id}/here", PlantOnly, "", g.escortStep},
		{"POST /windows/{id}/end", SignedIn, "", g.windowStep},
		{"POST /windows/{id}/hand-back", SignedIn, "", g.windowStep},
		{"POST /windows/{id}/accept", PlantOnly, "", g.windowStep},
		{"POST /windows/{id}/left", SignedIn, "", doneOnce(g.noteLeft)},
		{"POST /windows/{id}/left/{n}/by", PlantOnly, "", g.leftStep},
		{"POST /windows/{id}/left/{n}/gone", PlantOnly, "", g.leftStep},
		{"POST /windows/{id}/evidence", PlantOnly, "", g.evidencePage},
		{"GET /windows/{id}/watch", PlantOnly, "", g.windowWatch},
		{"POST /windows/{id}/doubt", PlantOnly, "", g.doubt},
		{"GET /handover", PlantOnly, "", g.handoverPage},
		{"POST /handover", PlantOnly, "", g.offerHandover},
		{"POST /handover/{id}/yes", PlantOnly, "Sign", g.takeHandover},
		{"POST /handover/{id}/yes/draft", PlantOnly, "", g.draftTaking},
		{"GET /sessions/{id}/watch", PlantOnly, "", g.watchPage},
		{"GET /sessions/{id}/watch/stream", PlantOnly, "", g.watchStream},
		{"GET /blocks", PlantOnly, "", g.blockPage},
		{"POST /blocks", PlantOnly, "", doneOnce(g.block)},
		{"GET /blocks/{id}/receipts", PlantOnly, "", g.receiptFile},
		{"POST /blocks/{id}/lift", PlantOnly, "Lift the block", doneOnce(g.lift)},
		{"POST /blocks/{id}/yes/draft", PlantOnly, "", g.draftLift},
		{"POST /blocks/{id}/yes", PlantOnly, "Lift the island", doneOnce(g.liftIsland)},
		{"GET /island", PlantOnly, "", g.islandPage},
		{"POST /island", PlantOnly, "", doneOnce(g.island)},
	}
}

func (g *Pages) kioskRoutes() []Route {
	return []Route{
		{"GET /kiosk", KioskOnly, "", g.kioskPage},
		{"GET /kiosk/requests/{id}", KioskOnly, "", g.kioskRequest},
		{"GET /kiosk/windows/{id}", KioskOnly, "", g.kioskWindowPage},
		{"GET /kiosk/handovers/{id}", KioskOnly, "", g.kioskHandoverPage},
		{"GET /kiosk/block", KioskOnly, "", g.kioskBlock},
		{"POST /kiosk/tap/{verb}/draft", KioskOnly, "", g.kioskDraft},
		{"POST /kiosk/tap/{verb}", KioskOnly, "", g.kioskTap},
		{"POST /kiosk/{verb}", KioskOnly, "", g.kioskTakes},
		{"GET /kiosks", PlantOnly, "", g.kiosksPage},
		{"POST /kiosks", PlantOnly, "Enrol it", doneOnce(g.enrolKiosk)},
		{"POST /kiosks/{id}/revoke", PlantOnly, "", g.revokeKiosk},
	}
}

func (g *Pages) peopleRoutes() []Route {
	return []Route{
		{"POST /people/{id}/link", PlantOnly, "Link the account", doneOnce(g.link)},
		{"GET /people", PlantOnly, "", g.peoplePage},
		{"GET /people/{id}", PlantOnly, "", g.personPage},
		{"POST /people/{id}/training", PlantOnly, "Write the training", doneOnce(g.train)},
		{"POST /people/invite", PlantOnly, "Invite", doneOnce(g.invite)},
		{"POST /people/{id}/confirm", PlantOnly, "Confirm the key", doneOnce(g.confirm)},
		{"POST /people/{id}/phone", PlantOnly, "Write the number", doneOnce(g.phone)},
		{"POST /people/{id}/mail", PlantOnly, "Write the address", doneOnce(g.mail)},
		{"POST /people/{id}/roles", PlantOnly, "Write the roles", doneOnce(g.roles)},
		{"POST /people/{id}/disable", PlantOnly, "", doneOnce(g.disable)},
		{"POST /people/{id}/vouch/draft", PlantOnly, "", g.draftVouch},
		{"POST /people/{id}/vouch", PlantOnly, "", g.vouch},
		{"POST /people/{id}/remove-key", PlantOnly, "", g.removeKey},
		{"GET /firms/{id}", PlantOnly, "", g.firmPage},
		{"POST /firms/{id}/terms", PlantOnly, "Write the terms", doneOnce(g.setTerms)},
		{"GET /firms/{id}/end", PlantOnly, "", g.firmEndPage},
		{"POST /firms/{id}/end", PlantOnly, "", doneOnce(g.firmEnd)},
		{"POST /firms", PlantOnly, "Write the firm", doneOnce(g.firm)},
		{"GET /roster", PlantOnly, "", g.rosterPage},
		{"POST /roster/{team}/turns", PlantOnly, "Write the roster", g.addTurn},
		{"POST /roster/{team}/drop", PlantOnly, "Take the turn out", g.dropTurn},
		{"POST /roster/{team}/calendar", PlantOnly, "", g.readCalendar},
		{"POST /roster/{team}/calendar/write", PlantOnly, "Write the roster", g.writeCalendar},
		{"POST /roster/{team}/off", PlantOnly, "Keep no roster", g.noRoster},
		{"POST /roster/deputies", PlantOnly, "Let them stand in", g.lend},
		{"POST /roster/deputies/end", PlantOnly, "", g.takeBack},
		{"GET /import/firms", PlantOnly, "", g.importPage},
		{"POST /import/firms/plan", PlantOnly, "", g.readImport},
		{"POST /import/firms", PlantOnly, "Write it", doneOnce(g.writeImport)},
	}
}

func (g *Pages) machineRoutes() []Route {
	return []Route{
		{"GET /assets", PlantOnly, "", g.assetsPage},
		{"GET /assets/{id}", PlantOnly, "", g.assetPage},
		{"POST /assets/{id}/backup", PlantOnly, "Say that it is backed up", doneOnce(g.backedUp)},
		{"GET /targets", PlantOnly, "", g.targetsPage},
		{"GET /secrets", PlantOnly, "", g.secretsPage},
		{"POST /secrets/{asset}/{account}/seal", PlantOnly, "Seal the secret", g.sealSecret},
		{"POST /secrets/{asset}/{account}/rotate", PlantOnly, "Replace the secret", g.rotateSecret},
		{"POST /targets/{asset}/key/accept", PlantOnly, "Accept the key", g.keyWord},
		{"POST /targets/{asset}/key/confirm", PlantOnly, "Confirm the key", g.keyWord},
		{"POST /targets/{asset}/key/clear", PlantOnly, "Keep the pinned key", g.keyWord},
		{"GET /ports", PlantOnly, "", g.portsPage},
		{"GET /agents", PlantOnly, "", g.agentsPage},
		{"POST /agents/{zone}/invite", PlantOnly, "Invite an agent", doneOnce(g.agentInvite)},
		{"POST /agents/{zone}/confirm", PlantOnly, "Confirm the agent", doneOnce(g.agentConfirm)},
		{"POST /agents/{zone}/remove", PlantOnly, "", doneOnce(g.agentRemove)},
		{"GET /measures", PlantOnly, "", g.measuresPage},
		{"POST /measures/baseline", PlantOnly, "Enter it", doneOnce(g.enterBaseline)},
		{"POST /measures/minutes", PlantOnly, "Enter them", doneOnce(g.enterMinutes)},
		{"GET /debt", PlantOnly, "", g.debtPage},
	}
}

// recordRoutes: what has happened.
func (g *Pages) recordRoutes() []Route {
	return []Route{
		{"GET /recordings", PlantOnly, "", g.recordingList},
		{"GET /recordings/{id}", PlantOnly, "", g.recordingPage},
		{"GET /recordings/{id}/play", PlantOnly, "", g.playPage},
		{"GET /recordings/{id}/operations", PlantOnly, "", g.operationsList},
		{"GET /recordings/{id}/playing", PlantOnly, "", g.playBegin},
		{"GET /recordings/{id}/playing/{n}", PlantOnly, "", g.playOn},
		{"GET /recordings/{id}/keys", PlantOnly, "", g.keyFile},
		{"POST /recordings/{id}/unseal", PlantOnly, "", g.unseal},
		{"POST /recordings/{id}/seal", PlantOnly, "", g.sealAgain},
		{"GET /recordings/{id}/export", PlantOnly, "", g.exportPage},
		{"GET /recordings/{id}/proof", PlantOnly, "", g.proof},
		{"POST /recordings/{id}/verdict", PlantOnly, "Sign the verdict", g.verdict},
		{"POST /recordings/{id}/threads/{n}", PlantOnly, "", g.reply},
		{"POST /recordings/{id}/notes", PlantOnly, "", g.note},
		{"POST /recordings/{id}/delete", PlantOnly, "Delete the recording", g.deleteRecording},
		{"GET /search", PlantOnly, "", g.searchPage},
		{"GET /reviews", PlantOnly, "", g.reviewsPage},
		{"GET /reviews/expiry", PlantOnly, "", g.expiryPage},
		{"POST /reviews/expiry", PlantOnly, "Let them go", g.expireNow},
		{"POST /holds", PlantOnly, "", g.setHold},
		{"POST /holds/{id}/lift", PlantOnly, "Lift the hold", g.liftHold},
		{"GET /log", PlantOnly, "", g.logPage},
		{"GET /log/checkpoint", PlantOnly, "", g.checkpoint},
		{"POST /log/checkpoint", PlantOnly, "", g.takenByPage},
	}
}
