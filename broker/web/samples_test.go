package web

import (
	"strings"

	"penstock/approvals"
	"penstock/broker/api"
	"penstock/policy"
)

// What the gallery shows: a night at the dairy in Kiel, as pages.md has it.

var (
	fillerPLC = targetView{Asset: "filler-plc", Tag: "FIL-1-PLC-01", Title: "Filler controller", Zone: "Filling line 1", By: "SSH", Account: "recipes",
		Stops: []string{"Filling line 1"}, Worst: policy.Look | policy.Copy | policy.Set, Enforced: policy.ByDevice, Known: true}
	fillerMaint = targetView{Asset: "filler-plc", Tag: "FIL-1-PLC-01", Title: "Filler controller", Zone: "Filling line 1", By: "SSH", Account: "maint",
		Stops: []string{"Filling line 1"}, Worst: 31, Enforced: policy.ByNobody, Known: true}
	gateway = targetView{Asset: "filler-gateway", Tag: "FIL-1-GW-01", Title: "Krall condition monitor gateway", Zone: "Filling line 1", By: "https",
		Worst: policy.Look, Enforced: policy.ByDevice, Known: true}
	openLine = WindowLine{Machines: []string{"PAS-1-PLC-01"}, ID: "W-208", Request: "R-208", Firm: "Thermo Nord", What: "Pasteuriser controller", Rights: "look", State: "open, ends 03:48", Word: "open",
		Who: []string{"Ola Lind"}, Until: after(41), May: stepsAllowed{Watch: true, Pause: true, Narrow: true, End: true, Cut: true, Extend: true}, Call: &call{"Ola", "Thermo Nord", "+494315550122"}}
	pausedLine = WindowLine{Machines: []string{"FIL-1-PLC-01"}, ID: "W-209", Request: "R-209", Firm: "Krall Fillers", What: "Filler controller", Rights: "look, change values", State: "paused by Mia Voss, ends 04:00 all the same", Word: "paused",
		Who: []string{"Ben Ito"}, Until: after(53), May: stepsAllowed{GoOn: true, End: true, Cut: true}}
	readyLine = WindowLine{ID: "W-211", Request: "R-211", Firm: "Krall Fillers", What: "Filler panel", Rights: "look", State: "agreed, waits for the shift", Word: "agreed",
		Who: []string{"Ann Keller", "Ben Ito"}, May: stepsAllowed{Open: true, Cut: true}}
	loadLine = WindowLine{ID: "W-216", Request: "R-216", Firm: "Krall Fillers", What: "Filler controller", Rights: "look, load programs", State: "open, ends 08:30", Word: "open",
		Who: []string{"Ann Keller"}, Until: after(320), May: stepsAllowed{Watch: true, Pause: true, PauseAfter: true, End: true, Cut: true}}
	leftLine = WindowLine{ID: "W-201", Request: "R-201", Firm: "Thermo Nord", What: "Pasteuriser controller", Rights: "look, take files out", State: "ended, hand-back missing", Word: "ended",
		Who: []string{"Ola Lind"}, Until: after(-540), Call: &call{"Ola", "Thermo Nord", "+494315550122"}, May: stepsAllowed{Note: true}, Behind: []leftView{{"W-201", "Force on I 4.2, filler, and the bridge over the guard door's second contact", "Ola Lind", "", 1, after(-530), stamp{}, false, true},
			{"W-201", "Recipe limit 14 lifted", "Mia Voss", "Mia Voss", 2, after(-520), after(-30), true, true}}}
)

var sampleFiles = []heldView{
	{ID: "F-12", Name: "recipe-14.csv", Where: "/srv/recipes on FIL-1-PLC-01", Size: "41 kB", Says: "held: text by its first bytes; the scanner found nothing", SHA256: "sha256:" + strings.Repeat("9f3c", 16), Short: "9f3c9f3c9f3c", At: after(-2), MayRelease: true, MayRefuse: true},
	{ID: "F-13", Name: "firmware-4.3.1-filler-with-a-very-long-name-that-somebody-gave-it.bin", Where: "/srv/fw on FIL-1-PLC-01", Size: "12 MB", Says: "held, nobody has looked yet: it waits for the scanner", SHA256: "sha256:" + strings.Repeat("17aa", 16), Short: "17aa17aa17aa", At: after(-1), MayRefuse: true},
	{ID: "F-14", Name: "alarms-2026-11.log", Where: "/var/log on FIL-1-PLC-01", Size: "3145 kB", Says: "held: text by its first bytes; the scanner found nothing", SHA256: "sha256:" + strings.Repeat("4b1d", 16), Short: "4b1d4b1d4b1d", At: after(-1), MayRelease: true, MayRefuse: true, Out: true},
	{ID: "F-10", Name: "trend-2026-11.csv", Where: "/var/log on FIL-1-PLC-01", Size: "900 kB", Says: "let out; it is being taken, or was taken in part", SHA256: "sha256:" + strings.Repeat("71be", 16), Short: "71be71be71be", At: after(-3), MayRefuse: true, Out: true, Going: true},
	{ID: "F-11", Name: "tool.exe", Where: "/srv/recipes on FIL-1-PLC-01", Size: "8192 bytes", Says: "refused by Penstock: it is exe by its first bytes, and may be: text", SHA256: "sha256:" + strings.Repeat("00ff", 16), Short: "00ff00ff00ff", At: after(-9), Red: true},
}

func sampleRequest() requestView {
	return requestView{ID: "R-214", State: "waiting", Document: "sha256:" + strings.Repeat("9f3c", 16), Rev: 1, At: after(-2), Who: []string{"Ann Keller"},
		Firm: "Krall Fillers", Checked: "6 visits, last 12 Oct 09:14.", Does: "change values", Prep: "on", Targets: []targetView{fillerPLC},
		Priority: "P1", Urgency: "Computed from what stops with it, and from: it stands still.", MayUrgent: true, Only: []string{"filler-plc: 40012 (Fill volume)", "filler-plc: 40013 (Cap torque)"}, Can: "Can take files out, change values.", Worst: "Worst case: wrong values, Filling line 1 may stop.", Enforced: "The machine stops everything else.",
		Why: "Alarm F-417, fill volume drifts", WorkOrder: "WO 88-1204", Length: "2 hours", Until: after(123), From: after(-2), To: after(360),
		Inside: "Nobody else is in.", Now: []string{"Key switch A3: yes since 02:48."}, Unusual: []string{"Backup is 61 days old."}, Phone: "ORANGE TIGER", Words: []string{"orange", "tulip", "meadow", "axle", "lemon", "river", "cello", "north"},
		Path: []string{"Filling line 1"}, Interlocks: []string{"Guard door 3 trips Line 1 safety controller"}, Backout: "Recipe 14 of 3 March", Before: []WindowLine{leftLine}, Past: []pastView{{"W-188", "Krall Fillers", "Alarm F-417, fill volume drifts", "Flow sensor offset, 40012 reset.", after(-60000)}},
		Call:   &call{"Ann", "Krall Fillers", "+494315550121"},
		Next:   "Next asked at 03:12: Duty engineer.",
		YouWhy: "You are Filling shift supervisor, whom rule set asks. Your yes is enough.",
		May: answersAllowed{Answer: true, Opens: true, AskLook: "viewer on FIL-1-PLC-01", LookUntil: after(30), AskedUntil: after(123),
			Shorter: []choice{{30, "30 minutes", after(30)}, {60, "1 hour", after(60)}}}}
}

// namesRequest has the long words of German and a name that is written from
// right to left: neither widens the page nor turns what stands beside it.
func namesRequest() requestView {
	r := sampleRequest()
	plc := fillerPLC
	plc.Title, plc.Tag = "Flaschenreinigungsmaschinenüberwachungsstation", "ABF-1-UEBERWACHUNG-0001"
	r.Who, r.Firm, r.Targets = []string{"ليلى عبد الرحمن"}, "Abfüllanlagenbau und Getränketechnik Großkrotzenburg GmbH & Co. KG", []targetView{plc}
	r.Why, r.WorkOrder = "Füllmengenregelungsparameteranpassung nach Durchflussmessertausch", "Instandhaltungsauftrag-2026-4711-0815"
	return r
}

func dangerousRequest() requestView {
	r := sampleRequest()
	r.Does, r.Targets, r.Danger, r.Only, r.Now = "work in a shell", []targetView{fillerMaint}, true, nil, nil // the owner does not open it
	r.Prep, r.Can = "on", "Can do anything, also load programs."
	r.Worst, r.Enforced = "Worst case: a wrong program runs, Filling line 1 stops.", "Nobody stops it but you."
	r.Stops = ""
	r.YouWhy = "You are Line 1 process owner, whom rule load asks. Your yes is 1 of 2. Asked at once: OT security Lena Lang."
	r.May.Opens, r.May.Next = false, "OT security Lena Lang"
	return r
}

// patternRequest is the night of pages.md S2: one yes is enough.
func patternRequest() requestView {
	r := sampleRequest()
	r.YouWhy = "You are Line 1 shift. Your yes is enough: Line 1 process owner and OT security agreed this pattern on 3 Mar (filler-callout)."
	r.Under = &approvals.Under{ID: "P-12", Frame: "filler-callout", Purpose: "Fill volume drifts", Stands: true}
	return r
}

// aloneRequest has the reader's own yes; the second can be heard on the phone.
func aloneRequest() requestView {
	r := sampleRequest()
	r.May, r.YouWhy = answersAllowed{}, ""
	r.Answers = []answerView{{"Mia Voss", "Line 1 shift", "said yes", "", "", "signed with their passkey", after(0)}}
	r.Needs = []needView{{Role: "Duty engineer", Count: 1, People: []string{"Jan Brandt"}, Rule: "set"}}
	r.Speak, r.SpeakBy = []speakView{{"jan", "Jan", "Jan Brandt", "+494315550122"}}, after(720)
	return r
}

// samplePattern stands, and was used outside its purpose once.
func samplePattern() patternView {
	return patternView{patternLine: patternLine{"P-12", "filler-callout", "Krall Fillers", "look, take files out, change values, Filler controller", "stands, to 31 Mar 2027", false, false}, Document: "sha256:" + strings.Repeat("9f3c", 16),
		Phone: "ORANGE TULIP", Words: []string{"orange", "tulip", "meadow", "axle", "lemon", "river", "cello", "north"}, Purpose: "Alarm F-417: fill volume drifts", By: "Lena Lang", At: after(-9000), DecideBy: after(9000), Ends: "31 Mar 2027", Until: "31 Mar 2027", Review: "31 Mar 2027",
		Agreed: after(-8000), Targets: []targetView{fillerPLC}, Can: "Can take files out, change values.", Worst: "Worst case: wrong values, Filling line 1 may stop.", Stopper: "The machine stops everything else.", Length: "2 hours", People: []string{"Ann Keller", "Ben Ito"},
		Gates: []string{"Vendor key switch on panel A3"}, Needs: []needView{{Role: "Line 1 process owner", Count: 1, Rule: "set"}, {Role: "OT security", Count: 1, Rule: "filler-callout"}},
		Answers: []answerView{{"Olaf Holm", "Line 1 process owner", "said yes", "", "", "signed with their passkey", after(-8100)}, {"Lena Lang", "OT security", "said yes", "", "", "signed with their SSH key", after(-8000)}},
		Doubts:  []doubtView{{"W-198", "Mia Voss", "Labels were changed", after(-700)}}, Windows: []string{"W-214", "W-198"}, Follows: "P-3", MayCall: true, MayWithdraw: true, MayAgain: true, Stands: true}
}

func askedPattern() patternView {
	p := samplePattern()
	p.State, p.You, p.MayAnswer, p.MayCall, p.MayAgain, p.Passkey, p.Agreed, p.Answers, p.Doubts, p.Windows = "waits for OT security", true, true, false, false, true, stamp{}, p.Answers[:1], nil, nil
	return p
}

func emergencyRequest() requestView {
	r := sampleRequest()
	r.Emergency = &emergencyView{Starts: "look", Adds: "change values", Waived: []string{"line-1-outage", "campaign"}, Often: "5 in 30 days; more than 4 is too often", TooOften: true}
	return r
}

// signedRequest wants a key: the reader has a passkey, or has none.
func signedRequest(passkey bool) requestView {
	r := sampleRequest()
	r.May.Key, r.May.Passkey = !passkey, passkey
	return r
}

var sampleKeys = []keyView{{Kind: "SSH key", ID: "SHA256:3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", State: "signs answers; it stands in the plant's first file", Signs: true, Person: "mia"},
	{Kind: "Passkey", Name: "phone", ID: "SHA256:q80kAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", State: "waits for somebody to vouch for it; it signs nothing yet", Passkey: true, Person: "mia", May: true}}

// severalRequest names two ways in, and a right that none of them needs.
func severalRequest() requestView {
	r := sampleRequest()
	r.Targets = []targetView{fillerMaint, fillerPLC}
	r.May.Parts = []tick{{"0", "Filler controller, by SSH as maint: look, take files out, change values, start and stop, load programs", true}, {"1", "Filler controller, by SSH as recipes: look, take files out, change values", true}}
	r.May.Rights = []tick{{"device", "change the device itself", true}}
	return r
}

// redRequest is a stranger at night: look alone, three red items, an escort.
func redRequest() requestView {
	r := sampleRequest()
	r.Does, r.Prep, r.Can, r.Worst = "look", "at", "Can look.", "Worst case: somebody sees what they should not."
	r.Checked, r.Escort, r.May.AskLook, r.Only, r.Now, r.Stops = "First visit.", true, "", nil, nil, "Filling line 1 stops."
	r.Unusual = []string{"First visit of Ann Keller.", "From 203.0.113.7, no network of Krall Fillers.", "No work order."}
	r.WorkOrder = ""
	return r
}

func decidedRequest() requestView {
	r := sampleRequest()
	r.State, r.May, r.YouWhy, r.Rev = "agreed", answersAllowed{}, "", 2
	r.Meanwhile = "Your tap was not taken, because this changed meanwhile. R-214 is agreed. To take it back, withdraw it, or cut window W-214."
	r.Answers = []answerView{{"Jan Brandt", "Duty engineer", "said yes", "", "look only, 30 minutes", "signed with their passkey", after(-1)}, {"Olaf Holm", "Line 1 process owner", "asks", "Is the recipe saved?", "", "", after(-1)}}
	r.Window, r.Outcome = &readyLine, "Jan Brandt said look only, 30 minutes at 03:06"
	return r
}

// askedRequest is the vendor's own, with a question of the plant's.
func askedRequest() requestView {
	r := sampleRequest()
	r.May, r.YouWhy, r.Tell, r.Yours, r.Vendor, r.Call = answersAllowed{Withdraw: true}, "", true, true, true, nil
	r.Answers = []answerView{{Who: "Olaf Holm", Role: "Line 1 process owner", Says: "asks", Why: "Is the recipe saved?", At: after(-1)}, {Who: "Ann Keller", Role: "Krall Fillers", Says: "answers", Why: "As recipe 14.", At: after(0)}}
	r.Needs = []needView{{Role: "Line 1 process owner", Count: 1, Rule: "set", Nobody: "Nobody of Line 1 process owner is on duty now. Next: Olaf Holm, 06:00. Call the control room, +49 431 555 0100."}}
	r.Called = "Called in; waits for them to type the code, to 03:37."
	return r
}

// sampleTargets is the shift's at 03:00: a machine shows another key in a window.
func sampleTargets() targetsPage {
	return targetsPage{Keys: []shownKeyView{{Asset: "filler-plc", Title: "Filler controller", Tag: "FIL-1-PLC-01", Key: "ssh-ed25519 AAAA", Print: "ssh-ed25519 SHA256:3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		Pinned: []string{"ssh-ed25519 SHA256:q80kAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, At: after(-4), Seen: "in W-208, session S-341", Accept: []choiceID{{"W-208", "W-208, Ann Keller of Krall Fillers"}}}},
		Secrets: secretsCount{3, 2, 2},
		Old:     []oldView{{"capper-drive", "Capper drive", "ssh-rsa, diffie-hellman-group14-sha1, aes128-cbc, hmac-sha1", "the maker has no newer firmware", "OT security", "Wed 30 Sep", true}}}
}

func sampleSecrets(security bool) secretsPage {
	return secretsPage{Security: security, Secrets: []secretView{
		{Asset: "pasteur-plc", Title: "Pasteuriser controller", Tag: "PAS-1-PLC-01", Account: "robot", Login: "key", State: "sealed by Lena Lang", Public: "SHA256:q80kAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Used: []string{"W-201", "read by Lena Lang"},
			Rotation: "Not known which of two secrets logs in; both are kept and tried: the machine takes neither secret", Bad: true, Held: true, At: after(-4000)},
		{Asset: "capper-drive", Title: "Capper drive", Tag: "CAP-1-DRV-01", Account: "panel", Login: "password", State: "not sealed, so nobody gets in by it", Bad: true},
		{Asset: "filler-plc", Title: "Filler controller", Tag: "FIL-1-PLC-01", Account: "maint", Login: "password", State: "replaced by Penstock", Rotation: "Replaced after each window that used it.", Held: true, MayRotate: true, At: after(-700)}}}
}

// securityTargets is OT security's by day: accepted by the shift, and one confirmed.
func securityTargets() targetsPage {
	p := sampleTargets()
	k := p.Keys[0]
	k.Accept, k.Accepted, k.By, k.Why, k.Security = nil, "W-208", "Mia Voss", "firmware 4.3 is in", true
	done := k
	done.Title, done.Tag, done.Confirmed = "Pasteuriser controller", "PAS-1-PLC-01", "Lena Lang"
	mine := k
	mine.Title, mine.Tag, mine.Mine = "Filler panel", "FIL-1-HMI-01", true
	p.Keys = []shownKeyView{k, mine, done}
	return p
}

func sampleLabels() (all []labelView) {
	for _, tag := range []string{"FIL-1-PLC-01", "FIL-1-HMI-01", "PAS-1-PLC-01", "OPS-HIS-01"} {
		l, err := label(tag, "Filler controller", "https://penstock.kiel.example:8443")
		if err != nil {
			panic(err)
		}
		all = append(all, l)
	}
	return all
}

func sampleHandover() handoverView {
	return handoverView{ID: "H-4", Team: "Filling shift supervisor", By: "Mia Voss", Says: "Alarm F-417 twice. Krall thinks flow sensor.", Due: after(-12), Rings: after(-2), Pauses: after(8),
		One: []handedLine{{WindowLine: pausedLine, Half: []string{"upload of fil1.prg"}}, {WindowLine: loadLine, Half: []string{"download of line1.ap17 by modbus"}}, {WindowLine: leftLine}}, Rest: []handedLine{{WindowLine: openLine}}, Taken: []handedLine{{WindowLine: readyLine, By: "Jan Brandt"}}, MayTake: true, Rang: true, Left: 3, All: 4}
}

// onSiteRequest is a contractor's laptop at the machine.
func onSiteRequest() requestView {
	r := sampleRequest()
	r.Does, r.Prep, r.Laptop, r.Only, r.Now, r.May.AskLook = "change values", "on", "laptop 07", nil, nil, ""
	r.Targets = []targetView{{Asset: "filler-plc", Tag: "FIL-1-PLC-01", Title: "Filler controller", Zone: "Filling line 1", Worst: 63, Enforced: policy.ByNobody, Known: true}}
	r.Can, r.Worst, r.Enforced = "Can do anything, also load programs.", "Worst case: a wrong program runs, Filling line 1 stops.", "Nobody stops it but you."
	return r
}

// filesRequest names the files that it brings.
func filesRequest() requestView {
	r := sampleRequest()
	r.Only, r.Now = nil, nil // its owner answers, who does not open it
	r.Files, r.Named = "Files in wait for a look.", "2 files are named by their hash: once looked at, they are released by themselves."
	r.Sums = []string{strings.Repeat("9f3c", 16), strings.Repeat("17aa", 16)}
	return r
}

// waitingRequest is what a screen shows before somebody says who they are.
func waitingRequest() requestView {
	r := sampleRequest()
	r.May, r.YouWhy = answersAllowed{}, ""
	r.Needs = []needView{{Role: "Filling shift supervisor", Count: 1, People: []string{"Jan Brandt", "Mia Voss"}, Rule: "set"}}
	return r
}

func sampleOutage() outageView {
	usual := outageRow{Request: "R-301", What: "Historian", Rights: "look", Firm: "DataWerk", Crew: "A", Area: "Hall 1", State: "waits for OT security", Who: []string{"Ben Ito"}, Why: "Upgrade check", WorkOrder: "WO-8801",
		Worst: "Worst case: somebody sees what they should not.", From: after(20000), To: after(20480)}
	odd := outageRow{Request: "R-303", What: "Filler controller", Rights: "look, change values, load programs", Firm: "Krall Fillers", Crew: "B", Area: "Hall 2", State: "waits for Line 1 process owner, OT security", Who: []string{"Ann Keller"},
		Why: "New fill head", WorkOrder: "WO-8810", Worst: "Worst case: a wrong program runs, Filling line 1 stops.", From: after(20000), To: after(20480), Look: []string{"loads programs"}, After: []string{"R-301"}}
	agreed := usual
	agreed.Request, agreed.Window, agreed.State = "R-302", "W-219", "agreed, not open"
	return outageView{ID: "O-2", Name: "Winter overhaul", By: "Paul Winter", Document: "sha256:" + strings.Repeat("9f3c", 16), From: after(20000), To: after(22000), Rev: 3, Agreed: 1, Waits: 2, Phone: "ORANGE TIGER",
		Conflicts: []string{"capper-drive is on two work orders at the same time: WO-1 (R-304) and WO-2 (R-305)."}, Look: []outageRow{odd}, Rest: []outageRow{usual}, MayTake: true, Open: true,
		Crews: []crewView{{"A", []outageRow{usual, agreed}, 1}, {"B", []outageRow{odd}, 0}}, Unlisted: []string{"R-309"}}
}

// standingRequest is a machine's.
func standingRequest(b boundView) requestView {
	r := sampleRequest()
	r.ID, r.Bound, r.Who, r.Length, r.Does, r.Prep = "R-12", &b, []string{"Krall condition monitor"}, "90 days", "look at", ""
	r.Targets, r.Can, r.Worst, r.Only, r.Now, r.Unusual, r.May.AskLook, r.May.Shorter = []targetView{gateway}, "Can look.", "Worst case: somebody sees what they should not.", nil, nil, nil, "", nil
	r.Why, r.WorkOrder, r.YouWhy, r.May.Opens = "Condition monitoring", "", "You are OT security, whom the frame filler-monitor asks. Your yes is 1 of 2.", false
	return r
}

// sampleKnown is what the known_hosts of somebody invited needs.
var sampleKnown = (&server{Parts: Parts{Authorities: func() api.Authorities {
	return api.Authorities{Name: "broker.kiel.example", Port: 2222, Site: "kiel", Host: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"}
}}}).known()
