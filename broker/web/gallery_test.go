package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/audit/review"
	"penstock/audit/search"
	"penstock/broker/api"
)

// The gallery is every page with sample data, and again with hostile text in
// every field. Real Chromium looks at it in TestGalleryInABrowser.

var galleryNow = time.Date(2026, 11, 22, 2, 7, 0, 0, time.UTC)

func sample(t time.Time) stamp {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return stamp{t.In(zone), galleryNow.In(zone), nil}
}

func after(minutes int) stamp { return sample(galleryNow.Add(time.Duration(minutes) * time.Minute)) }

func fullFrame(name string, page any) frame {
	return frame{Title: name, Site: "Fjord Dairy Kiel", Colour: "teal", Zone: "Europe/Berlin", Room: "+49 431 555 0100", Now: sample(galleryNow),
		Name: "Mia Voss", Plant: true, Path: "/" + name, Live: livePages[name], Page: page}
}

type galleryPage struct {
	name, template string
	page           any
	frame          func(*frame)
}

func gallery() []galleryPage {
	someone := func(f *frame) {}
	twoTappers := []tapper{{"jan", "Jan Brandt"}, {"mia", "Mia Voss"}}
	oneTapper := tapping{Who: twoTappers[1:], As: "mia", Tap: true}
	onSiteLine := WindowLine{ID: "W-220", Request: "R-220", Firm: "Krall Fillers", What: "Filler controller", Rights: "look, change values", State: "open, ends 04:10", Word: "open", Who: []string{"Ben Ito"}, Until: after(63), Laptop: "laptop 07",
		May: stepsAllowed{End: true, Cut: true, Extend: true}, Call: &call{"Ben", "Krall Fillers", "+494315550123"}}
	onSiteCut := onSiteLine
	onSiteCut.State, onSiteCut.Word, onSiteCut.May = "cut by Mia Voss", "cut", stepsAllowed{Accept: true}
	kioskFrame := func(f *frame) { f.Name, f.Live, f.Every, f.Home = "", false, 3, "/kiosk" }
	nobody := func(f *frame) { f.Name, f.Plant, f.Live = "", false, false }
	codeGood := func(f *frame) { f.CodeUntil = after(4) }
	in := inView{Session: "S-341", Who: "Ola Lind", Firm: "Thermo Nord", Since: after(-19), Windows: []inWindow{{WindowLine: openLine,
		Channels: []string{"a shell on PAS-1-PLC-01 as viewer, 412 bytes in, 96 kB out"}}}}
	heldIn := inView{Session: "S-342", Who: "Ben Ito", Firm: "Krall Fillers", Since: after(-7), Windows: []inWindow{{WindowLine: pausedLine, Held: true,
		Channels: []string{"a command on FIL-1-PLC-01 as recipes, 10 bytes in, 9004 bytes out"}}}}
	full := boardView{Waits: []waitingView{
		{"R-214", "change values on", "Filler controller", "Ann Keller", "Krall Fillers", "", after(-3), true, nil, "Next asked at 03:12: Duty engineer.", "P1", true},
		{"R-209", "look at", "Historian", "Ben Ito", "DataWerk", "", after(-400), false, []string{"OT security"}, "", "P3", false},
	}, In: []inView{in, heldIn}, Ready: []WindowLine{readyLine}, Left: []WindowLine{leftLine}, Open: []WindowLine{},
		Blocks: []blockView{{ID: "B-3", What: "DataWerk", By: "Lena Lang", Why: "laptop lost", Until: after(600), MayLift: true, Receipts: true}},
		Duty:   []dutyLine{{"Filling shift supervisor", "Mia Voss to 06:00", ""}, {"Line 1 process owner", "", "Nobody of Line 1 process owner is on duty now. Next: Olaf Holm, 06:00. Call Jan Brandt, Duty engineer, +494315550122."}}}
	full.Patterns = []patternLine{{"P-14", "filler-callout", "Krall Fillers", "", "waits for OT security", true, false}, {"P-9", "pasteur", "Thermo Nord", "", "up for review: used outside its purpose 2 times; it stands again once it is agreed again", false, true}}
	full.Spoken = []spokenLine{{Window: "W-214", Firm: "Krall Fillers", Who: "Mia Voss", Heard: "Jan Brandt", State: "to be signed by 15:07", At: after(-2), Mine: true}}
	full.Often = "5 in 30 days; more than 4 is too often"
	quickLine := openLine
	quickLine.ID, quickLine.Emergency, quickLine.May.Step = "W-216", true, true
	full.Alarm = []WindowLine{quickLine}
	monitorLine := WindowLine{ID: "W-12", Request: "R-12", Firm: "Krall Fillers", What: "Krall condition monitor gateway", Rights: "look", State: "open, ends 21 Jan 03:07", Word: "open",
		Who: []string{"Krall condition monitor"}, Until: after(60 * 24 * 60), May: stepsAllowed{Extend: true, Pause: true, End: true, Cut: true, Watch: true}}
	held := boundView{"Krall condition monitor", "Ann Keller", "198.51.100.7/32", "SHA256:3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "filler-monitor"}
	confirmTo := after(90 * 24 * 60)
	soonLine := monitorLine
	soonLine.ID, soonLine.State, soonLine.Until = "W-9", "open, ends 25 Nov 03:07", after(3*24*60)
	standing := []standingLine{{soonLine, held, false, "OT security or IT network", &confirmTo, true}, {monitorLine, held, true, "OT security or IT network", nil, false}}
	full.Standing = standing
	full.Files = []filesWaiting{{"W-211", 2, 1}, {"W-214", 0, 1}}
	full.Shown = []shownKeyView{{Title: "Filler controller"}}
	full.Paper, full.NoPaper = []string{"Envelope 1 (control room) was opened 03:01 by “Mia Voss” from 10.0.0.9, and counts for four hours."}, []string{"Envelope 2 (OT security) was never made."}
	full.Owed = []owedView{{"W-190", "Krall Fillers", true, after(-600)}, {"W-199", "Thermo Nord", false, after(1600)}}
	needsLine := readyLine
	needsLine.ID, needsLine.Lacks = "W-212", []string{"Vendor key switch on panel A3", "an escort"}
	tapDue := after(4)
	openEscorted := openLine
	openEscorted.Escort, openEscorted.TapBy = "you", &tapDue
	in.Windows[0].WindowLine = openEscorted
	full.Ready = append(full.Ready, needsLine)
	full.Gates = []gateView{{Gate: "line-1-key", Title: "Vendor key switch on panel A3", Says: "no", Why: "off"}, {Gate: "winter", Title: "Winter overhaul", Says: "no", Outage: true, MaySay: true}}
	full.Coming = []comingView{{ID: "O-2", Name: "Winter overhaul", From: after(4000), To: after(6000), Windows: 12, Waiting: 3}, {ID: "O-1", Name: "Gasket, filler", From: after(-60), To: after(60), Runs: true, Windows: 2}}
	full.Handed, full.Hands = []handedOver{{"H-4", "Filling shift supervisor", "Mia Voss", 3, after(-12), true}, {"H-5", "Utilities shift supervisor", "Ida Holm", 1, after(20), false}}, true
	waitsFor := &conditionsView{Window: "W-212", Shut: true, Gates: []gateView{
		{Gate: "line-1-key", Title: "Vendor key switch on panel A3", Says: "no", Why: "off", Since: after(-31), MayStandIn: true},
		{Gate: "clear", Title: "Area clear", Says: "no", MaySay: true, SayWords: "Area clear: yes"}}, Escort: &escortView{MayTake: true}}
	needs := &conditionsView{Window: "W-208", Runs: true, Gates: []gateView{
		{Gate: "line-1-key", Title: "Vendor key switch on panel A3", Says: "stood in for", By: "Mia Voss", Why: "lamp broken", OK: true, Since: after(-31), MayBack: true},
		{Gate: "stands", Title: "Line 1 stands", Says: "yes", Why: "stopped", OK: true, Since: after(-31), Ends: true}},
		Escort: &escortView{By: "Mia Voss", There: true, Mine: true, Due: after(4), Lost: after(9), Offered: "Jan Brandt", Others: []choiceText{{"jan", "Jan Brandt"}}}}
	recLine := RecordingLine{Session: "S-341", Who: "Ann Keller", Firm: "Krall Fillers", Mode: "readable", Windows: []string{"W-214"}, Started: after(-60)}
	finding := threadView{Session: "S-341", Who: "Lena Lang", Says: "Cap torque was set twice.", Number: 2, Seen: 1, At: after(-4), Finding: true, MaySettle: true, Replies: []verdictView{{"Mia Voss", "The sensor was off.", after(-2)}}}
	sampleReview := &reviewView{Under: []tick{{"W-208", "W-208, P-2: Fill volume drifts at night", false}}, Why: "a first visit (always)", Unused: "FIL-1-PLC-01 by SSH as maint", May: true, Seen: 1, Security: true, Verdicts: []verdictView{{"Lena Lang", "a finding", after(-4)}}, Threads: []threadView{finding},
		Notes: []noteView{{"Lena Lang", "here it drifts", "0:09", 0, after(-3), 9 * time.Second}}, Held: "H-2", Ask: []tick{{"mia", "Mia Voss", false}}, Deletion: &deletionView{"Lena Lang", "Private mail was shown", after(-9), false}}
	events := []EventLine{
		{214, after(-62), "answer.given", "R-214", "Mia Voss", "said yes to revision 1", "moved", "sha256:ab", false},
		{215, after(-61), "window.moved", "W-214", "Mia Voss", "opened, ends 05:10", "moved", "sha256:ab", false},
		{216, after(-60), "session.started", "S-341", "Ann Keller", "came in from 198.51.100.7", "moved", "sha256:ab", false},
		{217, after(-59), "channel.refused", "S-341", "Ann Keller", "refused (account-can-more): shell on filler-plc as maint", "refused", "sha256:ab", false},
	}
	named := namesRequest()
	longLine := openLine
	longLine.What, longLine.Firm, longLine.Who = named.Targets[0].Title, named.Firm, named.Who
	names := boardView{Waits: []waitingView{{"R-214", "change values on", named.Targets[0].Title, named.Who[0], named.Firm, "", after(-3), true, nil, "Next asked at 03:12: Betriebsbereitschaftsingenieurin vom Dienst.", "P1", false}},
		In: []inView{{Session: "S-343", Who: named.Who[0], Firm: named.Firm, Since: after(-19), Windows: []inWindow{{WindowLine: longLine}}}}, Ready: []WindowLine{}}
	form := url.Values{"reason": {"Alarm F-417"}, "minutes": {"60"}, "asset": {"filler-plc"}}
	return []galleryPage{
		{"sign-in", "sign-in", signInView{Next: "/", Line: "ssh -p 2222 desk@broker.kiel.example password", Say: "That is not right. Check name, password and code, wait for the next code, and try again.", Person: "mia", Passkeys: true, Draft: []field{{"draft_reason", "Alarm"}}}, nobody},
		{"envelope", "envelope", envelopeForm{"Look again at the code of envelope 1 (control room): a sign is mistyped.", "Mia Voss"}, nobody},
		{"envelopes", "envelopes", []envelopeView{{ID: "envelope-1", Title: "Envelope 1 (control room)", For: "the control room: stands for the one yes of an emergency, when nobody on shift can sign in", Made: true, Age: "40 days ago", By: "Lena Lang", Key: "SHA256:3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Sealed: after(-57600),
			Wrong: "It was sealed for Line 1 shift, whose yes is not what an emergency asks for now.", Line: "penstock envelope make envelope-1 --as lena --sign-with ~/.ssh/id_ed25519"},
			{ID: "envelope-2", Title: "Envelope 2 (OT security)", For: "OT security: the way back in, when none of them can sign in; opens only together with envelope 1", Made: true, Sealed: after(-57600), Opened: after(-14), Says: "Mia Voss", Source: "10.0.0.9", Spent: true, Line: "penstock envelope make envelope-2 --as lena --sign-with ~/.ssh/id_ed25519"}}, someone},
		{"board", "board", full, someone},
		{"board-empty", "board", boardView{LastOut: &leftLine}, codeGood},
		{"board-names", "board", names, func(f *frame) { f.Down = "the clock was set back by 9 h. Two people accept it: penstock clock accept." }},
		{"request-names", "request", named, codeGood},
		{"board-vendor", "board", boardView{Vendor: true, Ready: []WindowLine{readyLine}}, func(f *frame) { f.Plant, f.Name = false, "Ann Keller" }},
		{"board-down", "board", boardView{Scanner: "The scanner has not looked since 02:30, for 37 min: reach clamd: dial unix /run/clamav/clamd.ctl: connect: connection refused. Files that wait stay held until it does.", Closed: true, Blocks: []blockView{{ID: "B-4", What: "Everybody: the plant is an island", By: "Mia Voss", Why: "ammonia alarm", All: true, Island: true, MayLift: true}}},
			func(f *frame) { f.Down = "The recording disk is nearly full. Call whoever runs the broker." }},
		{"request", "request", sampleRequest(), someone},
		{"standing", "standing", standingView{Runs: standing, Waits: []waitingView{full.Waits[1]}, Machines: []tick{{"krall-monitor", "Krall condition monitor, Krall Fillers", true}}, Keepers: []tick{{"ann", "Ann Keller, Krall Fillers", true}},
			Frames: []frameLine{{Name: "filler-monitor", What: "look, Krall condition monitor gateway"}}, Ways: []wayChoice{{"filler-gateway/https/", "FIL-1-GW-01", "Krall condition monitor gateway", "by https: can look", "Worst case: somebody sees what they should not. The machine stops everything else.", true}},
			Form: url.Values{"reason": {"Condition monitoring"}, "networks": {"198.51.100.7"}}, Say: "198.51.101.7/32 is in none of the firm's networks: 198.51.100.0/24. Have the plant add it first, or name one inside."}, codeGood},
		{"standing-none", "standing", standingView{Vendor: true, Frames: []frameLine{{Name: "filler-monitor"}}}, func(f *frame) { f.Plant = false }},
		{"request-connectivity", "request", func() requestView {
			r := sampleRequest()
			r.Does, r.Prep, r.Only, r.Now, r.Unusual, r.May.AskLook, r.May.Shorter = "try the way", "to", nil, nil, nil, "", nil
			r.Probe, r.Can, r.Worst, r.Enforced = true, "Can try whether the way works: connect, host key, login.", "Worst case: the machine logs a login.", "Penstock closes it at once; nothing passes."
			return r
		}(), codeGood},
		{"request-exception", "request", func() requestView { r := sampleRequest(); r.Except = []string{"campaign", "longest"}; return r }(), codeGood},
		{"window-jack", "window", windowView{WindowLine: func() WindowLine {
			l := openLine
			l.Jack, l.Except = "laptop 07 at Service jack on panel A3", true
			return l
		}(), Minutes: "60 minutes", Targets: []targetView{fillerPLC}, From: after(-100), To: after(200), Opened: after(-9), OpenedBy: "Mia Voss"}, codeGood},
		{"request-standing", "request", standingRequest(held), codeGood},
		{"window-standing", "window", windowView{WindowLine: soonLine, Bound: &held, Confirm: &confirmTo, Minutes: "90 days", Targets: []targetView{gateway}, From: after(-100), To: after(200 * 24 * 60), Opened: after(-90), OpenedBy: "Penstock"}, codeGood},
		{"request-emergency", "request", emergencyRequest(), codeGood},
		{"window-emergency", "window", windowView{WindowLine: quickLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss",
			Step: []tick{{"set", "change values", true}, {"operate", "start and stop", true}}}, codeGood},
		{"request-pattern", "request", patternRequest(), codeGood},
		{"request-alone", "request", aloneRequest(), codeGood},
		{"spoken", "spoken", spokenView{Open: []spokenLine{{Window: "W-214", Request: "R-214", Firm: "Krall Fillers", Who: "Jan Brandt", Heard: "Mia Voss", State: "to be signed by 15:07", At: after(-2), Due: after(720), Mine: true, Passkey: true},
			{Window: "W-190", Request: "R-190", Firm: "Thermo Nord", Who: "Olaf Holm", Heard: "Mia Voss", State: "not signed in time", At: after(-900), Due: after(-180), Late: true, MayClear: true}},
			Over: []spokenLine{{Window: "W-150", Request: "R-150", Firm: "Krall Fillers", Who: "Jan Brandt", Heard: "Mia Voss", State: "signed 21 Nov 09:30", At: after(-2000), Due: after(-1300)}}}, codeGood},
		{"patterns", "patterns", patternsView{Standing: []patternLine{samplePattern().patternLine}, Waiting: []patternLine{{"P-14", "filler-callout", "Krall Fillers", "look, change values, Filler controller", "waits for OT security", true, false},
			{"P-9", "pasteur", "Thermo Nord", "look, Pasteuriser controller", "up for review: used outside its purpose 2 times; it stands again once it is agreed again", false, true}},
			Over:   []patternLine{{"P-3", "filler-callout", "Krall Fillers", "look, Filler controller", "withdrawn", false, false}},
			Frames: []frameLine{{"filler-callout", "Night call-out of the filler maker", "look, take files out, change values, Filler controller, 4 hours at most", "Line 1 process owner, OT security", "31 Mar 2027", false}, {"filler-monitor", "Condition monitoring", "look, Krall condition monitor", "OT security, IT network", "31 Mar 2027", true}}}, someone},
		{"patterns-vendor", "patterns", patternsView{Vendor: true, Standing: []patternLine{samplePattern().patternLine}}, func(f *frame) { f.Plant = false }},
		{"pattern", "pattern", samplePattern(), codeGood},
		{"pattern-asks", "pattern", askedPattern(), codeGood},
		{"propose", "propose", patternAskView{Say: "filler-callout is for 240 minutes at most; ask for fewer", Rule: "pattern-frame", Form: url.Values{"follows": {"P-9"}, "purpose": {"Fill volume drifts"}, "minutes": {"300"}},
			Frame: frameLine{"filler-callout", "Night call-out of the filler maker", "look, take files out, change values, Filler controller, 4 hours at most", "Line 1 process owner, OT security", "31 Mar 2027", false}, Must: "Line 1 process owner, OT security",
			Firms: []firmChoice{{"krall", "Krall Fillers", []tick{{"ann", "Ann Keller", true}, {"ben", "Ben Ito", false}}}}, Most: 240, Latest: "2027-03-31",
			Ways:   []wayChoice{{"filler-plc/ssh/recipes", "FIL-1-PLC-01", "Filler controller", "by SSH as recipes: can look, take files out, change values", "Worst case: wrong values. The machine stops everything else.", true}},
			Rights: []tick{{"look", "look", true}, {"set", "change values", true}}, Gates: []tick{{"line-1-key", "Vendor key switch on panel A3", true}}}, someone},
		{"propose-frame", "propose", patternAskView{Form: url.Values{}, Frames: []frameLine{{"filler-callout", "Night call-out of the filler maker", "look, Filler controller, 4 hours at most", "Line 1 process owner", "31 Mar 2027", false}}}, someone},
		{"window-pattern", "window", windowView{WindowLine: leftLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, From: after(-600), To: after(300), Opened: after(-619), OpenedBy: "Mia Voss", HandBackText: "Labels changed.",
			Under: &underView{"P-12", "filler-callout", "Fill volume drifts", true}}, codeGood},
		{"request-on-site", "request", onSiteRequest(), someone},
		{"request-files", "request", filesRequest(), someone},
		{"window-on-site", "window", windowView{WindowLine: onSiteLine, Minutes: "1 hour", Targets: onSiteRequest().Targets, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss"}, someone},
		{"window-on-site-cut", "window", windowView{WindowLine: onSiteCut, Minutes: "1 hour", Targets: onSiteRequest().Targets, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss"}, someone},
		{"board-on-site", "board", boardView{OnSite: []WindowLine{onSiteLine}, Off: []WindowLine{onSiteLine}, Closed: true}, someone},
		{"island-on-site", "island", blocksView{MayBlock: true, PeopleIn: 2, WindowsRun: 2, OnSite: []WindowLine{onSiteLine}, Zones: []tick{{"line-1", "Filling line 1", false}}}, someone},
		{"request-danger", "request", dangerousRequest(), codeGood},
		{"request-red", "request", redRequest(), codeGood},
		{"request-several", "request", severalRequest(), codeGood},
		{"request-signed", "request", signedRequest(true), someone},
		{"request-keyless", "request", signedRequest(false), someone},
		{"request-decided", "request", decidedRequest(), someone},
		{"sure", "sure", sureView{dangerousRequest(), []field{{"minutes", "60"}}}, codeGood},
		{"code", "code", codeView{Does: "Open", Action: "/windows/W-1/open", Back: "/windows/W-1", Say: "That is not right.", Fields: []field{{"document", "x"}}}, someone},
		{"window", "window", windowView{WindowLine: openLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss", Conditions: needs,
			Sessions: []inView{in}, Recordings: []RecordingLine{recLine}, MayRead: true, Later: []choice{{15, "15 minutes", after(56)}, {30, "30 minutes", after(71)}}},
			func(f *frame) { f.Said, f.Receipt = "Open. Ends 03:48 by itself.", "/windows/W-208/receipts" }},
		{"handover", "handover", handoverPage{Open: []handoverView{sampleHandover()}}, someone},
		{"handover-none", "handover", handoverPage{Offer: []choiceText{{"shift", "Filling shift supervisor"}}, Due: "06:00"}, codeGood},
		{"window-busy", "window", windowView{WindowLine: loadLine, Minutes: "4 hours", Targets: []targetView{fillerPLC}, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss", Busy: []string{"download of line1.ap17 by modbus"}}, someone},
		{"window-files", "window", windowView{WindowLine: openLine, Minutes: "1 hour", Targets: []targetView{fillerMaint}, From: after(-10), To: after(300), Opened: after(-19), OpenedBy: "Mia Voss", Files: sampleFiles}, someone},
		{"window-waits", "window", windowView{WindowLine: needsLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, From: after(-10), To: after(300), Conditions: waitsFor}, someone},
		{"window-vendor", "window", windowView{WindowLine: WindowLine{ID: "W-208", Request: "R-208", Firm: "Krall Fillers", What: "Filler controller", Rights: "look", State: "ended, hand-back missing",
			Word: "ended", Who: []string{"Ann Keller"}, Until: after(-5), May: stepsAllowed{HandBack: true}}, Minutes: "1 hour", Targets: []targetView{fillerPLC}, Vendor: true, Next: []string{"scp -P 2222 cert@broker.kiel.example:W-208 ~/.ssh/id_ed25519-cert.pub", "ssh -p 2222 ann+recipes+filler-plc@broker.kiel.example"}},
			func(f *frame) { f.Plant, f.Name = false, "Ann Keller" }},
		{"requests", "requests", []requestLine{{"R-214", "change values on", "Filler controller", "Krall Fillers", "waiting", after(-3)}}, someone},
		{"ask", "ask", askView{Probe: probeTick(true), Except: &tick{"exception", "Outside a calendar, or for longer than the rules allow: at most 12 hours, and over within 3 days. Both owners of the way and OT security agree, each by a key; nothing else is waived.", false}, Jacks: []tick{{"panel-a3", "Service jack on panel A3", true}}, Quick: &tick{"emergency", "One yes of Filling shift supervisor. It begins with: look. Only by a second tap: change values, start and stop. Everybody who must know is told at once, and it is reviewed.", false}, Say: "The plant asks for more here. Fill in: Work order.", Rule: "fields-missing", Wrong: map[string]string{"work_order": "The plant asks for this here."}, Form: form, Firms: []firmChoice{{"krall", "Krall Fillers", []tick{{"ann", "Ann Keller", true}, {"ben", "Ben Ito", false}}}},
			Ways:   []wayChoice{{"a/ssh/viewer", "FIL-1-PLC-01", "Filler controller", "by SSH as viewer: can look", "Worst case: somebody sees what they should not. The machine stops the rest.", true}, {"a/ssh/maint", "FIL-1-PLC-01", "Filler controller", "by SSH as maint: can look, take files out, change values, start and stop, load programs", "Worst case: a wrong program runs, Filling line 1 stops. Nobody stops the rest.", false}},
			Rights: []tick{{"look", "look", true}, {"copy", "take files out", false}, {"set", "change values", false}},
			Now:    []tick{{"stopped", nowWords["stopped"], true}, {"degraded", nowWords["degraded"], false}, {"planned", nowWords["planned"], false}}, Before: sampleRequest().Past}, someone},
		{"labels", "labels", sampleLabels(), someone},
		{"outages", "outages", outagesView{Columns: api.RowColumns(), Now: []outageLine{{"O-2", "Winter overhaul", "to come", after(20000), after(22000), 40}}, Past: []outageLine{{"O-1", "Gasket, filler", "over", after(-20000), after(-19000), 3}},
			Form: planForm{"Spring clean", "2027-03-05T22:00", "2027-03-07T06:00", "crew;firm;people\nA;krall;ann"}, Plan: &planView{Rows: 3, Bad: []plannedRow{{2, "No window of line-1-outage is open then."}}, Look: []plannedRow{{3, "loads programs"}},
				Conflicts: []string{"R-1 and R-3 change filler-plc at the same time, and it has one writer."}, Escorts: "At Sun 02:00 9 of them want an escort, and the 2 people who may watch watch at most 6."}}, someone},
		{"outages-ready", "outages", outagesView{Columns: api.RowColumns(), Form: planForm{"Spring clean", "2027-03-05T22:00", "2027-03-07T06:00", "crew;firm"}, Plan: &planView{Rows: 3, Ready: true}}, someone},
		{"outage", "outage", sampleOutage(), someone},
		{"kiosk", "kiosk", kioskView{Name: "Control room 1", Board: full, Zones: []tick{{"line-1", "Filling line 1", false}, {"ops", "Plant operations", false}}, Tap: true, Said: "Paused."}, kioskFrame},
		{"kiosk-empty", "kiosk", kioskView{Name: "Control room 1", Zones: []tick{{"line-1", "Filling line 1", false}}, Island: true}, kioskFrame},
		{"kiosk-request", "kiosk-request", kioskAsked{Request: patternRequest(), By: oneTapper}, kioskFrame},
		{"kiosk-who", "kiosk-request", kioskAsked{Request: waitingRequest(), By: tapping{Who: twoTappers, Tap: true, Way: "/kiosk/requests/R-214"}}, kioskFrame},
		{"kiosk-danger", "kiosk-request", kioskAsked{Request: dangerousRequest(), By: tapping{Who: twoTappers, As: "jan", Tap: true, Way: "/kiosk/requests/R-214"}, Sure: true}, kioskFrame},
		{"kiosk-window", "kiosk-window", kioskWindow{Window: needsLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, Verb: "open", By: oneTapper, Said: "Your yes stands. It is not open yet."}, kioskFrame},
		{"kiosk-go-on", "kiosk-window", kioskWindow{Window: pausedLine, Minutes: "1 hour", Targets: []targetView{fillerPLC}, Verb: "go-on", By: tapping{Tap: true}}, kioskFrame},
		{"kiosk-handover", "kiosk-handover", kioskHandover{Handover: sampleHandover(), By: oneTapper}, kioskFrame},
		{"kiosk-block", "kiosk-block", blocksView{Firms: []tick{{"firm/krall", "Krall Fillers", false}}, People: []tick{{"person/ann", "Ann Keller, Krall Fillers", false}}, Assets: []tick{{"asset/filler-plc", "Filler controller FIL-1-PLC-01", false}}, Zones: []tick{{"zone/line-1", "Filling line 1", false}}}, kioskFrame},
		{"kiosks", "kiosks", kiosksView{MayEnrol: true, MayTake: true, Line: "penstock kiosk new --out kiosk.pem", Kiosks: []kioskLine{{"K-1", "Control room 1", "Lena Lang", "", "9f3c9f3c9f3c9f3c", after(400000), true}, {"K-0", "Old screen", "Lena Lang", "revoked by Mia Voss", "9f3c9f3c9f3c9f3c", after(10), false}}}, someone},
		{"blocks-island", "blocks", blocksView{MayBlock: true, Blocks: []blockView{
			{ID: "B-4", What: "Everybody: the plant is an island", By: "Mia Voss", Why: "ammonia alarm", All: true, Island: true, MayLift: true, Free: []string{"Plant DMZ"},
				Zones: []tick{{"ops", "Plant operations", false}, {"line-1", "Filling line 1", false}}, Waits: []wordView{{"Jan Brandt", "Filling line 1", after(21), false}, {"Mia Voss", "Plant operations", after(25), true}}},
			{ID: "B-5", What: "Filling line 1: an island", By: "Lena Lang", Why: "strange traffic", Island: true, MayLift: true, Key: true}}}, someone},
		{"blocks", "blocks", blocksView{Blocks: []blockView{{ID: "B-3", What: "DataWerk", By: "Lena Lang", Why: "laptop lost", Until: after(600), MayLift: true, Receipts: true}}, MayBlock: true, Firms: []tick{{"firm/krall", "Krall Fillers", false}},
			Assets: []tick{{"asset/x", "Filler controller", false}}}, someone},
		{"island", "island", blocksView{MayBlock: true, PeopleIn: 2, WindowsRun: 2}, someone},
		{"people", "people", peopleView{Pending: []pendingView{{"ann", "Ann Keller", "Krall Fillers", "SHA256:3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Jan Brandt", true}},
			Firms: []firmView{{ID: "fjord", Name: "Fjord Dairy Kiel", Plant: true, People: []personView{{"mia", "Mia Voss", []string{"Filling shift supervisor"}, "key, passkey, password, code", sampleKeys, "+494315550101", "mia@kiel.example", false, true,
				[]tick{{"shift", "Filling shift supervisor", true}, {"duty-engineer", "Duty engineer", false}, {"ot-security", "OT security", false}}}}},
				{ID: "krall", Name: "Krall Fillers", Sponsor: "Jan Brandt", Until: "31 Mar 2027", Networks: []string{"198.51.100.0/24"}, People: []personView{{"ben", "Ben Ito", nil, "key", nil, "", "", true, false, nil}}}},
			Vouch: []vouchView{{"mia", "Mia Voss", "passkey", "phone", sampleKeys[1].ID, "penstock people vouch mia " + sampleKeys[1].ID + " --as lena --sign-with ~/.ssh/id_ed25519", true}, {"jan", "Jan Brandt", "ssh", "", sampleKeys[0].ID, "", false}},
			Roles: []tick{{"shift", "Filling shift supervisor", false}}, Sponsors: []tick{{"jan", "Jan Brandt", false}}, Security: true, Invites: []tick{{"krall", "Krall Fillers", false}},
			Endings: []endingView{{"Krall Fillers", "/firms/krall", "contract", "Thu 3 Dec", false}, {"Ann Keller, Krall Fillers", "/people/ann", "training site-safety", "Fri 20 Nov", true}},
			Invited: &invitedView{"Ann Keller", "ABCD-EFGH-IJKL-MNOP", "ssh -p 2222 join@broker.kiel.example", after(1440), sampleKnown}}, someone},
		{"import", "import", importView{System: "csv", Most: 1024}, someone},
		{"import-plan", "import", importView{System: "sap", Most: 1024, Writes: true, Same: 3, Sheet: "eA==", Plan: &api.FirmsImported{Plan: "sha256:ab", Note: "The file is not UTF-8; it was read as Windows-1252, as Excel writes plain CSV. Look at the umlauts and accents below, or save it as CSV UTF-8.",
			Ignored: []string{"plant code"}, LeftOut: []api.LeftOut{{Line: 7, Text: `sponsor: "J. Brandt" is nobody of the plant who is here: write the short name of somebody who is`}}},
			Changes: []api.ImportChange{{Line: 2, Firm: "mueller-kaelte", Does: "new", Text: "Müller Kälte, sponsor jan, from 203.0.113.0/24, contract to 2027-03-31"}, {Line: 2, Firm: "mueller-kaelte", Person: "joerg-mueller", Does: "invited", Text: "Jörg Müller"},
				{Line: 3, Firm: "krall", Person: "ann", Does: "changed", Text: "phone was none, becomes +494315550121"}, {Firm: "polar", Does: "missing", Text: "the list does not have it any more; it stays until somebody ends its contract"}}}, someone},
		{"import-done", "import", importView{System: "sap", Most: 1024, Done: &api.FirmsImported{Changes: []api.ImportChange{{Does: "new"}, {Does: "invited"}}}, Invited: []importedView{{"Jörg Müller", "mueller-kaelte/joerg-mueller", "ABCD-EFGH-IJKL-MNOP", "+494315550177"}, {"Eva Groß", "mueller-kaelte/eva-gross", "QRST-EFGH-IJKL-MNOP", ""}},
			Line: "ssh -p 2222 join@broker.kiel.example", knownView: sampleKnown, Until: after(1440)}, someone},
		{"agents", "agents", agentsView{Security: true, Agents: []agentView{
			{Agent: api.Agent{Zone: "line-1", Title: "Filling line 1", Key: sampleKeys[0].ID, Up: true, Source: "10.20.1.2", Streams: 2}, Since: after(-300)},
			{Agent: api.Agent{Zone: "utilities", Title: "Utilities", Pending: sampleKeys[0].ID}, By: "Sven Falk", MayConfirm: true},
			{Agent: api.Agent{Zone: "cold-store", Title: "Cold store", Key: sampleKeys[0].ID, Pending: sampleKeys[0].ID}, By: "Lena Lang", Since: after(-12)},
			{Agent: api.Agent{Zone: "packing", Title: "Packing"}, By: "Lena Lang", Until: after(1400)}}}, someone},
		{"agents-invited", "agents", agentsView{Security: true, Agents: []agentView{{Agent: api.Agent{Zone: "line-1", Title: "Filling line 1"}, By: "Lena Lang", Until: after(1440)}},
			File: "broker: broker.kiel.example:2222\nzone: line-1\nallow:\n  - 10.20.1.11:22   # filler-plc ssh\n  - 10.20.1.11:502   # filler-plc modbus\n", Known: "@cert-authority broker.kiel.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ",
			Made: &invitedView{"Filling line 1", "ABCD-EFGH-IJKL-MNOP", "penstock agent join --config agent.yaml", after(1440), knownView{}}}, someone},
		{"ports", "ports", []portsView{{"The plant's firewalls", []api.Port{
			{Side: "plant", Source: "vendors' networks (page People)", Destination: "broker.kiel.example", Port: 443, Direction: "in to dmz", What: "SSH and HTTPS on one port", Why: "vendors' sessions, files and forwards", Owners: []string{"it-network"}},
			{Side: "plant", Source: "broker.kiel.example", Destination: "FIL-1-PLC-01", Address: "10.20.1.11", Port: 502, Direction: "dmz to line-1", What: "modbus", Why: "dmz-line-1: Filler maker's remote service, contract 4711", Owners: []string{"line-1-owner", "ot-security"}}}},
			{"The vendors' firewalls", []api.Port{{Side: "vendor", Source: "the vendor's computers", Destination: "broker.kiel.example", Port: 443, Direction: "out to the plant", What: "SSH and HTTPS on one port", Why: "vendors' sessions, files and forwards", Owners: []string{"the vendor"}}}}}, someone},
		{"agents-none", "agents", agentsView{}, someone},
		{"sign-in-service", "sign-in", signInView{Say: "Fjord login does not answer as it should. Sign in by passkey, or by password and code: nothing here waits for it.", Next: "/", Line: "ssh -t desk@broker password", Service: &serviceView{"Fjord login", "/sign-in/service?next=%2F"}}, nobody},
		{"code-service", "code", codeView{Does: "Open", Action: "/windows/W-1/open", Back: "/windows/W-1", Service: &serviceView{"Fjord login", "/sign-in/service?next=%2F&step=yes"}}, someone},
		{"go-on", "go-on", "#", nobody},
		{"person", "person", personPageView{ID: "mia", Name: "Mia Voss", Firm: "Fjord Dairy Kiel", FirmID: "fjord", Service: "Fjord login", Since: "Sun 1 Mar", Last: "last here 02:48", By: "the plant's first file", Phone: "+494315550101", Mail: "mia@kiel.example", Roles: []string{"Filling shift supervisor"}, Keys: sampleKeys[:1],
			May:     []api.Power{{Does: "agree to look on Filling line 1", Role: "shift", From: "rule look"}, {Does: "open windows on Filling line 1 (look, take files out, change values), extend them and let them go on", Role: "shift", From: "zone line-1", Not: "not on duty for shift now, so giving waits; taking does not"}},
			Leaving: []string{"Mia Voss's keys, passkeys, password, codes, certificates and sign-ins count for nothing any more, for good.", "Their roles end: Filling shift supervisor."}, Look: []lookAt{{"/windows/W-208", "W-208", "Look at W-208: it runs by their word, and goes on."}}}, someone},
		{"person-vendor", "person", personPageView{ID: "ann", Name: "Ann Keller", Firm: "Krall Fillers", FirmID: "krall", Vendor: true, Accepted: "22 Nov 2027", Training: []string{"site-safety to 31 Mar 2027", "line-1 ran out Fri 20 Nov"}, Asked: []string{"site-safety", "line-1"}, MayTrain: true, WhyNot: "This is for the firm's sponsor or OT security to do. Ask one of them.",
			May: []api.Power{{Does: "ask for access, and come from 198.51.100.0/24, to 31 Mar 2027 00:00", From: "firm krall"}}}, someone},
		{"firm", "firm", firmPageView{ID: "krall", Name: "Krall Fillers", Sponsor: "Jan Brandt", SponsorGone: true, Until: "31 Mar 2027", Networks: []string{"198.51.100.0/24"}, Terms: "No phones at the line.\nNo bags.", Days: 365, Security: true, MayEnd: true,
			People: []firmPerson{{"ann", "Ann Keller", "", []string{"site-safety to 31 Mar 2027"}, "22 Nov 2027", 2}, {"ben", "Ben Ito", "read the plant's terms and accept them first: ssh desk@… terms", nil, "", 1}}}, someone},
		{"terms", "terms", termsView{Text: "No phones at the line.\nNo bags.", Hash: "sha256:ab"}, func(f *frame) { f.Plant, f.Name = false, "Ann Keller" }},
		{"terms-accepted", "terms", termsView{Text: "No phones at the line.", Hash: "sha256:ab", Until: "22 Nov 2027"}, func(f *frame) { f.Plant, f.Name = false, "Ann Keller" }},
		{"access", "access", accessView{[]accessLine{{"/access/firm/krall", "Krall Fillers", "2 people wait for a word, by Sun 6 Dec", false, true}, {"/access/role/shift", "Filling shift supervisor", "1 person kept out since Fri 20 Nov", true, false}, {"/access/role/ot-security", "OT security", "signed, as of Tue 1 Sep", false, false}}, "90 days"}, someone},
		{"access-list", "access-list", accessListView{Scope: "firm/krall", Name: "Krall Fillers", Document: "sha256:ab", Made: "Sun 22 Nov", Due: "Sat 5 Dec", May: true, Waits: true, Most: 60, Signed: []string{"Sun 22 Nov 02:48 Lena Lang: go on: Ola Lind."},
			Lines: []accessPerson{{"ann", "Ann Keller", "Sun 1 Mar", "Jan Brandt", "last here Sat 21 Nov", true, true, false}, {"ben", "Ben Ito", "12 Jan 2025", "the plant's first file", "never here", true, true, false}, {"mia", "Mia Voss", "12 Jan 2025", "Jan Brandt", "never here", false, true, true}, {"ola", "Ola Lind", "12 Jan 2025", "Jan Brandt", "never here", false, false, false}}}, someone},
		{"access-none", "access-list", accessListView{Scope: "role/shift", Name: "Filling shift supervisor", Role: true, May: true, Most: 60}, someone},
		{"person-left", "person", personPageView{ID: "ben", Name: "Ben Ito", Firm: "Krall Fillers", Disabled: true}, someone},
		{"firm-end", "firm-end", firmEndView{"krall", "Krall Fillers", []string{"Nobody of krall (ann, ben) gets in or asks for anything, until a new end of the contract is written.", "W-208 ends: nobody is left who works in it."}, nil}, someone},
		{"keys", "keys", keysView{Keys: sampleKeys, Passkeys: true, Waits: true, Vouchers: []string{"Lena Lang", "Sven Falk"}, Person: "mia"}, someone},
		{"keys-new", "keys", keysView{Keys: sampleKeys[:1], Passkeys: true, Options: "{}", Name: "phone", Person: "mia"}, codeGood},
		{"keys-none", "keys", keysView{Keys: sampleKeys[:1], Person: "mia"}, someone},
		{"roster", "roster", sampleRoster(), someone},
		{"calendar", "calendar", calendarView{ID: "shift", Name: "Filling shift supervisor", To: "21 Jan 2027", Stands: 12, Write: "mia 1 2", Turns: []turnView{{"Mia Voss", "mia", after(230), after(710), false}, {"Max Beck", "max", after(800), after(1280), false}},
			Holes: []turnView{{"", "", after(710), after(800), false}}}, someone},
		{"calendar-wrong", "calendar", calendarView{ID: "shift", Name: "Filling shift supervisor", Who: "M. Voss = mia", To: "21 Jan 2027", Wrong: []string{`event "Max B." of 20261122T060000: its summary is nobody's of the team: say whose it is, as "Max B.=NAME"; there are max, max beck, mia, mia voss`}}, codeGood},
		{"request-asked", "request", askedRequest(), func(f *frame) { f.Plant, f.Name = false, "Ann Keller" }},
		{"called", "called", calledView{ID: "R-215", Code: "K7Q-4MD", Line: "ssh -p 2222 desk@broker.kiel.example here K7Q-4MD", Phone: "ORANGE TIGER", Who: []string{"Ann Keller"}, Until: after(30), Window: "W-215",
			Call: &call{"Ann", "Krall Fillers", "+494315550121"}}, someone},
		{"assets", "assets", assetsView{[]zoneAssets{{"Filling line 1", "Line 1 process owner", false, []assetLine{{"filler-plc", "FIL-1-PLC-01", "Filler controller", "Filling line 1"}}}, {"Safety systems", "Functional safety", true, []assetLine{{"safety-plc", "SIS-1-PLC-01", "Line 1 safety controller", "Filling line 1, Pasteuriser"}}}}, 3}, someone},
		{"asset", "asset", sampleAsset(), someone},
		{"measures", "measures", sampleMeasures(), someone},
		{"debt", "debt", debtView{[]debtLine{{"review", "conduit ops-utilities", "", "its review was due Tue 22 Sep", "61 days"}, {"backup", "Filler panel, FIL-1-HMI-01", "/assets/filler-hmi", "vendors can change it, and no backup is known", "no date"}}, 61}, someone},
		{"plant", "plant", samplePlant(), someone},
		{"change", "change", sampleChange(), someone},
		{"change-key", "change", keyedChange(), someone},
		{"change-in-force", "change", sampleApplied(), codeGood},
		{"reviews", "reviews", reviewsView{Reads: true, More: 2, Security: true, Threads: []threadView{finding}, Expiry: "12 of 40 recordings would go at once",
			Waits: []waitsLine{{recLine, "a first visit (always); drawn by lot", after(-20), true}}, Holds: []holdView{{"H-2", "all of Krall Fillers", "Lena Lang", "Dispute 12", after(-600)}}}, codeGood},
		{"reviews-asked", "reviews", reviewsView{Threads: []threadView{{Session: "S-341", Who: "Lena Lang", Says: "Why twice?", To: "Mia Voss", Number: 1, At: after(-5)}}}, someone},
		{"expiry", "expiry", expiryView{Plan: review.Plan{All: 40, Asks: "the log's clock leapt ahead by 365 days on 23 Nov 2027"}, Security: true, Goes: []expiryLine{{"S-12", "keep-look", "", after(-9000)}},
			Stays: []expiryLine{{"S-9", "keep-look", "hold H-2", after(-9900)}}}, someone},
		{"proof", "proof", proofView{Session: "S-341", Whole: true, Close: "sha256:ab"}, someone},
		{"proof-broken", "proof", proofView{Session: "S-341", Said: []string{"c00-shell.000.brf at byte 812: frame 9 is not the one"}}, someone},
		{"recordings", "recordings", recordingsView{[]RecordingLine{recLine}, 12}, someone},
		{"search", "search", searchView{Query: "drifts person:ann", Help: search.Help, Asked: true, More: "These are the newest 100.", Broke: "this took too long",
			Lines: []hitLine{{"shown", "F-417 fill volume drifts", "/recordings/S-341/play?channel=0&t=4.5", "S-341", "Ann Keller", "FIL-1-PLC-01", after(-50), false},
				{"log", "block.set B-1 mia krall", "/log?before=8", "", "", "", after(-90), true}}, Limits: []string{"Of 3 sessions only what the log says is found: the recordings are sealed."}}, someone},
		{"search-wrong", "search", searchView{Query: `"open`, Help: search.Help, Say: "A phrase ends with a second \"."}, someone},
		{"recording", "recording", RecordingView{RecordingLine: recLine, Source: "198.51.100.7", Client: "SSH-2.0-OpenSSH_9.6", Kex: "mlkem768x25519-sha256", Serial: "4711", Ended: after(-20), Cause: "client",
			Asked: []WindowLine{openLine}, Channels: []recordedChannel{{1, "shell", "FIL-1-PLC-01 as recipes", "412 bytes", "96 kB", after(-59), after(-20), "0", nil, true, ""}, {2, "sftp", "FIL-1-PLC-01 as recipes", "3 MB", "96 kB", after(-40), after(-30), "0", []string{"▲ recipe-0417.bin, 3 MB, whole · /var/lib/filler/recipe-0417.bin · by sftp · SHA-256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}, true, ""}, {3, "direct-tcpip", "FIL-1-PLC-01", "240 bytes", "310 bytes", after(-39), after(-31), "", nil, true, "operations on filler-plc by modbus: 18 to look, 2 to set let through; refused: 1 by register-limits"}}, Typed: true, Events: events, Refused: 1, DoneLine: "2 channels, 1 file in, 1 refused", Review: sampleReview}, someone},
		{"watch", "watch", watchView{Session: "S-341", Who: "Ola Lind", Firm: "Thermo Nord", Window: &openLine, Target: &fillerMaint, Channel: 0, Legible: true, In: true, Watched: []string{"Mia Voss, Filling shift supervisor"},
			Channels: []watchChoice{{0, "a shell on PAS-1-PLC-01 as viewer, 412 bytes in, 96 kB out", true}, {1, "sftp on PAS-1-PLC-01 as viewer, 9 kB in, 1 MB out", false}}, Asked: true, Text: "filler> show flow\nflow 812 ml/s"}, someone},
		{"watch-live", "watch", watchView{Session: "S-341", Who: "Ola Lind", Firm: "Thermo Nord", Window: &openLine, Target: &fillerMaint, Channel: 1, Inspected: true, In: true, Player: true}, someone},
		{"watch-operations", "watch", watchView{Session: "S-341", Who: "Ola Lind", Firm: "Thermo Nord", Window: &openLine, Target: &fillerMaint, Channel: 1, Inspected: true, In: true,
			Asked: true, Text: "7: write single register: Fill volume (holding 12) 300 ml → 250 ml\n8: write single register: Fill volume (holding 12) 250 ml → 1200 ml, refused (register-limits): 40012 (Fill volume) goes from 0 ml to 1000 ml, and this is 1200 ml"}, someone},
		{"operations", "operations", operationsView{Session: "S-341", Channel: "3", Looked: 18, Lines: []operationLine{
			{after(-38), 7, "write single register: Fill volume (holding 12) 300 ml → 250 ml", false},
			{after(-37), 8, "write single register: Fill volume (holding 12) 250 ml → 1200 ml, refused (register-limits): 40012 (Fill volume) goes from 0 ml to 1000 ml, and this is 1200 ml", true}}}, someone},
		{"watch-waits", "watch", watchView{Window: &openLine, Waits: "Ola Lind"}, someone},
		{"play", "play", playView{RecordingView{RecordingLine: recLine, Ended: after(-20), Asked: []WindowLine{openLine}, DoneLine: "1 channel, 1 refused", Review: sampleReview}, recordedChannel{0, "shell", "FIL-1-PLC-01 as recipes", "412 bytes", "96 kB", after(-59), after(-20), "0", nil, true, ""}, []mark{{events[3], 3.5}}, 3.5}, someone},
		{"log", "log", logView{Size: 2190, Root: "mTeMRcN3Wz2EtXhCqZHe7vG0jnq1wYJtjPy6Gx5mUqk=", Origin: "kiel/penstock/audit/a", Checkpoint: "kiel/penstock/audit/a\n2190\nmTeMRcN3Wz2EtXhCqZHe7vG0jnq1wYJtjPy6Gx5mUqk=\n\n— kiel/penstock/audit/a Zm9vYmFyYmF6\n",
			Leaves: events, Older: 2090, Newer: -1, Key: "kiel/penstock/audit/a+1a2b3c4d+AbCd", Outside: outsideView{"No copy outside for 14 min: siem: connection refused.", true,
				[]outsidePlace{{"witness", "https://witness.kiel.example:7443", "Last 02:53, 2180 leaves: cosigned", "It has seen another tree."}, {"siem", "siem.kiel.example:6514", "", "Not reached for 14 min: connection refused. 84 checkpoints wait."}}}}, someone},
		{"secrets", "secrets", sampleSecrets(false), someone},
		{"secrets-security", "secrets", sampleSecrets(true), someone},
		{"secrets-none", "secrets", secretsPage{}, someone},
		{"targets", "targets", sampleTargets(), someone},
		{"targets-security", "targets", securityTargets(), codeGood},
		{"problem", "problem", problemView{"Only the Filling shift supervisor may do this.", "/"}, someone},
		{"once-more", "once-more", nil, nobody},
	}
}

const hostile = "</title></bdi></textarea></option>\"'><script>window.pwned=1</script><img src=x onerror=window.pwned=1>javascript:pwned=1 \u202Egnip\u2066 {{.}}"

// poisoned is a copy of v with every text in it hostile.
func poisoned(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf(hostile).Convert(v.Type())
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type()).Elem()
		out.Set(poisoned(v.Elem()))
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(poisoned(v.Elem()))
		return out
	case reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(poisoned(v.Index(i)))
		}
		return out
	case reflect.Map:
		out := reflect.MakeMap(v.Type())
		for _, k := range v.MapKeys() {
			out.SetMapIndex(k, poisoned(v.MapIndex(k)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		if v.Type() == reflect.TypeFor[stamp]() {
			return out
		}
		for i := range v.NumField() {
			if out.Field(i).CanSet() {
				out.Field(i).Set(poisoned(v.Field(i)))
			}
		}
		return out
	}
	return v
}

func galleryServer(t *testing.T) (*httptest.Server, []string) {
	t.Helper()
	pages, err := listTemplates()
	if err != nil {
		t.Fatal(err)
	}
	g := &Pages{server: &server{}, pages: pages}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		if err := g.static(&visit{w: w, r: r}); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	mux.HandleFunc("GET /sessions/{id}/watch/stream", func(w http.ResponseWriter, _ *http.Request) {
		var out bytes.Buffer
		for _, l := range []api.WatchLine{{Mark: "p", In: 240, Out: 310}, {Mark: "d", Text: "7: write single register: Fill volume (holding 12) 300 ml → 250 ml"}, {Mark: "d", Text: "7: done"},
			{Mark: "d", Text: "8: <img src=x onerror=pwned=1> \u202e reversed, refused (register-limits)", Refused: true}} {
			addLine(&out, l)
		}
		_, _ = w.Write(out.Bytes())
	})
	var names []string
	add := func(name, template string, f frame) {
		csp := contentPolicy
		if template == "watch" { // as watchPage does
			csp = playerPolicy
		}
		b, err := g.render(template, f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names = append(names, name)
		mux.HandleFunc("GET /gallery/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", csp)
			_, _ = w.Write(b)
		})
	}
	drawn := map[string]bool{}
	for _, p := range gallery() {
		f := fullFrame(p.template, p.page)
		f.Title = p.name
		p.frame(&f)
		f.Live = false // there is no stream in the gallery
		add(p.name, p.template, f)
		bad := poisoned(reflect.ValueOf(f)).Interface().(frame)
		bad.Path = "/"
		add("hostile-"+p.name, p.template, bad)
		drawn[p.template] = true
	}
	for name := range pages {
		if !drawn[name] {
			t.Errorf("page %s is not in the gallery", name)
		}
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s, names
}

// TestGalleryInABrowser lets real Chromium draw every page on a phone and on a
// desk, every third one dark on a small phone (all of them with pictures), on the phones with axe, and with hostile text, which must stay text:
// nothing runs, nothing becomes an element, nothing turns its neighbours around.
// PENSTOCK_SHOTS names a
// folder for screenshots.
func TestGalleryInABrowser(t *testing.T) {
	s, names := galleryServer(t)
	runBrowser(t, "gallery.mjs", map[string]any{"url": s.URL, "pages": names, "shots": os.Getenv("PENSTOCK_SHOTS")})
}

func runBrowser(t *testing.T, script string, with any) {
	t.Helper()
	ui, err := filepath.Abs("ui")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(ui, "node_modules", "playwright-core")); err != nil {
		t.Fatalf("the browser tests need their packages: (cd broker/web/ui && npm ci): %v", err)
	}
	in, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(ui, script))
	cmd.Stdin = bytes.NewReader(in)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v (needs Debian's chromium and node 20)\n%s", script, err, out)
	}
	t.Logf("%s", out)
}

var (
	tags     = regexp.MustCompile(`<[^>]*>`)
	folded   = regexp.MustCompile(`(?s)(<details[^>]*><summary>.*?</summary>).*?</details>`) // what nobody sees before they open it
	wordlike = regexp.MustCompile(`[\pL\d]`)
)

// TestWordsAtNight: pages.md S2 allows 85 words above the buttons, labels
// counted, and it is not more where something is dangerous.
func TestWordsAtNight(t *testing.T) {
	pages, err := listTemplates()
	if err != nil {
		t.Fatal(err)
	}
	g := &Pages{server: &server{}, pages: pages}
	for name, page := range map[string]requestView{"request": sampleRequest(), "danger": dangerousRequest(), "red": redRequest(), "on site": onSiteRequest(), "files": filesRequest()} {
		b, err := g.render("request", fullFrame("request", page))
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(string(b), `<div id="request"`)
		text, _, there := strings.Cut(text, `<section class="answer"`)
		if !there {
			t.Fatalf("%s has no buttons", name)
		}
		text = folded.ReplaceAllString(text, "$1")
		n := 0
		for _, w := range strings.Fields(tags.ReplaceAllString(strings.TrimPrefix(text, " data-part>"), " ")) {
			if wordlike.MatchString(w) {
				n++
			}
		}
		if n > 85 || n < 40 {
			t.Errorf("%s: %d words above the buttons", name, n)
		}
	}
}
