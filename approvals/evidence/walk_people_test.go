package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// rowsOf are the rows of events that are about no person.
var rowsOf = map[string]string{"firm.changed": "firm/", "firm.ended": "firm/", "kiosk.enrolled": "kiosk/", "kiosk.revoked": "kiosk/", "block.set": "block/", "block.lifted": "block/",
	"access.listed": "access/", "access.signed": "access/", "asset.backup": "asset/", "debt.opened": "debt/", "debt.closed": "debt/",
	"roster.written": "roster/", "deputy.named": "roster/", "deputy.ended": "roster/", "envelope.sealed": "envelope/", "envelope.opened": "envelope/"}

// after adds leaves when the night is over.
func after(leaves ...audit.Event) func(*evidencetest.Story) {
	return func(s *evidencetest.Story) {
		for i, ev := range leaves {
			row, known := rowsOf[ev.Body.Type()]
			if !known {
				row = "person/"
			}
			s.Add(15300+i, ev.Actor, ev.Body, ev.Subject, row+ev.Subject)
		}
	}
}

func by(actor, subject string, body audit.Body) audit.Event {
	return audit.Event{Actor: actor, Subject: subject, Body: body}
}

func TestWalkPeople(t *testing.T) {
	code := audit.HashOf([]byte("another code"))
	bob := evidencetest.Key("bob")
	print := evidencetest.Fingerprint(bob)
	until := at(86400)
	invited := func(do func(*audit.PersonInvited)) audit.Event {
		b := audit.PersonInvited{Person: "bob", Firm: "krall", Name: "Bob", By: "olaf", Code: code, Until: until}
		if do != nil {
			do(&b)
		}
		return by(b.By, "bob", b)
	}
	joined := func(do func(*audit.PersonJoined)) audit.Event {
		b := audit.PersonJoined{Person: "bob", Code: code, Key: print, Public: bob}
		if do != nil {
			do(&b)
		}
		return by("bob", b.Person, b)
	}
	enrolled := func(who, kind, key, public, by string) audit.Event {
		return audit.Event{Actor: by, Subject: who, Body: audit.KeyEnrolled{Person: who, Kind: kind, Key: key, Public: public, By: by}}
	}
	confirmed := func(who string) audit.Event {
		return by(who, "bob", audit.PersonConfirmed{Person: "bob", Key: print, By: who})
	}
	plant := func(b *audit.PersonInvited) { b.Firm, b.Roles = "fjord", []string{"shift"} }
	linked := func(who, key, actor string) audit.Event {
		return by(actor, who, audit.AccountLinked{Person: who, Key: key, By: actor})
	}
	findsEach(t, []alteration{
		{"a firm changed by a vendor", after(by("ann", "krall", audit.FirmChanged{Firm: "krall", Name: "K", By: "ann"})), "changed by ann, who is nobody of the plant"},
		{"a firm that becomes the plant", after(by("olaf", "krall", audit.FirmChanged{Firm: "krall", Name: "K", Plant: true, By: "olaf"})), "a firm does not become the plant"},
		{"a second plant", after(by("olaf", "more", audit.FirmChanged{Firm: "more", Name: "K", Plant: true, By: "olaf"})), "a second plant firm"},
		{"a contract ended by a vendor", after(by("ann", "krall", audit.FirmEnded{Firm: "krall", By: "ann", At: at(15300)})), "ended by ann, who is nobody of the plant"},
		{"a contract that there is not", after(by("olaf", "more", audit.FirmEnded{Firm: "more", By: "olaf", At: at(15300)})), "the log knows no contract of more"},
		{"invited by a vendor", after(invited(func(b *audit.PersonInvited) { b.By = "ann" })), "invited by ann, who is nobody of the plant"},
		{"invited themself", after(invited(func(b *audit.PersonInvited) { b.Person, b.By = "olaf", "olaf" })), "olaf invited themself"},
		{"invited to a firm that there is not", after(invited(func(b *audit.PersonInvited) { b.Firm = "more" })), "of firm more, which the log does not know"},
		{"a machine of the plant", after(invited(func(b *audit.PersonInvited) { plant(b); b.Machine = true })), "a machine of the plant is no vendor's"},
		{"joined under an envelope's name", after(joined(func(b *audit.PersonJoined) { b.Person = "envelope-1" })), "envelope-1 is an envelope's name"},
		{"joined without an invitation", after(joined(nil)), "bob joined without an invitation"},
		{"joined by another's invitation", after(invited(nil), joined(func(b *audit.PersonJoined) { b.Person = "zoe" })), "zoe joined without an invitation"},
		{"joined twice", after(invited(nil), joined(nil), joined(nil)), "the invitation of bob was used before"},
		{"joined too late", after(invited(func(b *audit.PersonInvited) { b.Until = at(15300) }), joined(nil)), "bob joined after the invitation's end"},
		{"joined with another key than is named", after(invited(nil), joined(func(b *audit.PersonJoined) { b.Public = evidencetest.AnnKey })), "has not the fingerprint"},
		{"joined anew as somebody of another firm", after(invited(func(b *audit.PersonInvited) { b.Person = "ann"; plant(b) }), joined(func(b *audit.PersonJoined) { b.Person = "ann" })), "ann is disabled, or not of fjord as invited"},
		{"confirmed by a vendor", after(invited(nil), joined(nil), confirmed("ann")), "confirmed by ann, who is nobody of the plant"},
		{"confirmed by themself", after(invited(plant), joined(nil), confirmed("bob")), "bob confirmed their own key"},
		{"a key that there is not", after(invited(nil), confirmed("olaf")), "bob has no such key"},
		{"one of the plant, invited and confirmed by one person", after(invited(plant), joined(nil), confirmed("olaf")), "olaf invited and confirmed bob of the plant alone"},
		{"roles changed by a vendor", after(by("ann", "mia", audit.PersonChanged{Person: "mia", Firm: "fjord", By: "ann"})), "changed by ann, who is nobody of the plant"},
		{"one's own roles", after(by("mia", "mia", audit.PersonChanged{Person: "mia", Firm: "fjord", Roles: []string{"ot-security"}, By: "mia"})), "mia changed their own firm or roles"},
		{"somebody unknown changed", after(by("mia", "zoe", audit.PersonChanged{Person: "zoe", Firm: "fjord", By: "mia"})), "the log does not know zoe"},
		{"moved to the plant", after(by("olaf", "ann", audit.PersonChanged{Person: "ann", Firm: "fjord", Roles: []string{"shift"}, By: "olaf"})), "ann moves from krall to fjord"},
		{"a key removed by a vendor", after(by("ann", "mia", audit.KeyRemoved{Person: "mia", Key: "totp", By: "ann"})), "removed by ann, who is nobody of the plant"},
		{"a key of somebody unknown", after(by("mia", "zoe", audit.KeyRemoved{Person: "zoe", Key: "totp", By: "mia"})), "the log does not know zoe"},
		{"somebody unknown disabled", after(by("mia", "zoe", audit.PersonDisabled{Person: "zoe", By: "mia"})), "the log does not know zoe"},
		{"enrolled for another", after(enrolled("mia", "totp", "totp", "", "olaf")), "totp of mia was enrolled by olaf"},
		{"enrolled for somebody unknown", after(enrolled("zoe", "totp", "totp", "", "zoe")), "the log does not know zoe"},
		{"a key under another's fingerprint", after(enrolled("mia", "ssh", print, evidencetest.AnnKey, "mia")), "has not the fingerprint"},
		{"a code generator under another name", after(enrolled("mia", "totp", "x", "", "mia")), "a totp is named x"},
		{"an account linked by a vendor", after(linked("mia", "oidc:1", "ann")), "linked by ann, who is nobody of the plant"},
		{"one's own account", after(linked("mia", "oidc:1", "mia")), "mia linked their own account"},
		{"an account of a vendor", after(linked("ann", "oidc:1", "olaf")), "ann, whose account it is, is nobody of the plant"},
		{"one account for two", after(linked("mia", "oidc:1", "olaf"), linked("otto", "oidc:1", "olaf")), "the account oidc:1 is mia's already"},
		{"an ending told by a person", after(by("mia", "ann", audit.EndingTold{})), "told by mia"},
	})
}

func TestWalkScreensAndBlocks(t *testing.T) {
	enrolled := func(do func(*audit.KioskEnrolled)) audit.Event {
		b := audit.KioskEnrolled{Kiosk: "K-1", Name: "Control room", Certificate: audit.HashOf([]byte("c")), Until: at(15300).Add(evidence.KioskLife), By: "ines", At: at(15300)}
		if do != nil {
			do(&b)
		}
		return by(b.By, b.Kiosk, b)
	}
	revoked := func(actor string) audit.Event {
		return by(actor, "K-1", audit.KioskRevoked{Kiosk: "K-1", By: actor, At: at(15301)})
	}
	set := func(b audit.BlockSet) audit.Event {
		b.Block, b.Why = "B-1", "x"
		return by(b.By, "B-1", b)
	}
	lifted := func(actor string) audit.Event { return by(actor, "B-1", audit.BlockLifted{Block: "B-1", By: actor}) }
	findsEach(t, []alteration{
		{"a screen enrolled by the shift", after(enrolled(func(b *audit.KioskEnrolled) { b.By = "mia" })), "enrolled by mia, who is not OT security"},
		{"in another's name", after(func() audit.Event { ev := enrolled(nil); ev.Actor = "mia"; return ev }()), "enrolled by ines, who is not OT security"},
		{"twice", after(enrolled(nil), enrolled(nil)), "K-1 was enrolled before"},
		{"under a person's name", after(enrolled(func(b *audit.KioskEnrolled) { b.Kiosk = "mia" })), "is no kiosk's name"},
		{"for too long", after(enrolled(func(b *audit.KioskEnrolled) { b.Until = b.Until.Add(time.Second) })), "it is enrolled until"},
		{"for no time", after(enrolled(func(b *audit.KioskEnrolled) { b.Until = b.At })), "it is enrolled until"},
		{"revoked and never enrolled", after(revoked("ines")), "the log knows no kiosk K-1"},
		{"revoked twice", after(enrolled(nil), revoked("ines"), revoked("ines")), "the log knows no kiosk K-1"},
		{"revoked by a vendor", after(enrolled(nil), revoked("ann")), "revoked by ann, who is nobody of the plant"},
		{"taken by a screen that there is not", after(set(audit.BlockSet{Firm: "krall", By: "K-2"})), "taken by kiosk K-2, which was not enrolled"},
		{"an island of no zone", after(set(audit.BlockSet{Island: true, By: "mia"})), "it is an island, and of no zone"},
		{"an island that ends by itself", after(set(audit.BlockSet{All: true, By: "mia", Until: at(20000)})), "an island ends by itself"},
		{"a block lifted by a vendor", after(set(audit.BlockSet{Firm: "krall", By: "mia"}), lifted("ann")), "lifted by ann, who is nobody of the plant"},
		{"an island lifted by one", after(set(audit.BlockSet{All: true, By: "mia"}), lifted("ines")), "ines lifted alone what two people lift"},
		{"a zone's island lifted by one", after(set(audit.BlockSet{Island: true, Zone: "line-1", By: "mia"}), lifted("ines")), "ines lifted alone what two people lift"},
	})
}
