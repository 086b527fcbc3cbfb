package policy_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/policy"
)

var berlin = func() *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return loc
}()

// day is a moment by the plant's clock.
func day(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, berlin)
	if err != nil {
		panic(err)
	}
	return t
}

const all = policy.Look | policy.Copy | policy.Set | policy.Operate | policy.Load

// scene is a question and all that is known when it is asked.
type scene struct {
	f   policy.Facts
	q   policy.Query
	now time.Time
}

// working is ann in a live window on the filler, on a Sunday night: allowed.
func working() scene {
	from := netip.MustParseAddr("198.51.100.7")
	target := policy.Target{Asset: "filler-plc", Port: "ssh", Account: "maint"}
	now := day("2026-11-22 02:00")
	return scene{
		policy.Facts{
			Person: policy.PersonFacts{ID: "ann", Firm: "krall", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
			Window: policy.WindowFacts{ID: "W-17", Rev: 3, Agreed: true, Live: true, From: now.Add(-time.Hour), Until: now.Add(time.Hour),
				People: []policy.PersonID{"ann"}, Targets: []policy.Target{target}, Rights: all},
			Live: policy.LiveFacts{Escort: true, Gates: map[string]bool{"line-1-key": true, "area-clear": true}},
		},
		policy.Query{Stage: policy.AtChannel, Source: from, Asset: "filler-plc", Port: "ssh", Account: "maint", Rights: all, Kind: "shell", Session: "S-1"},
		now,
	}
}

// asking is ann writing the request for it on the Friday before.
func asking() scene {
	s := working()
	s.f.Window, s.f.Live, s.q.Source, s.q.Kind = policy.WindowFacts{}, policy.LiveFacts{}, netip.Addr{}, ""
	s.q.Stage, s.q.From, s.q.Until, s.q.Minutes = policy.AtAsk, day("2026-11-21 22:00"), day("2026-11-22 12:00"), 240
	s.now = day("2026-11-20 09:00")
	return s
}

// looking is the same window for the viewer.
func looking() scene {
	s := working()
	s.q.Account, s.q.Rights = "viewer", policy.Look
	s.f.Window.Rights, s.f.Window.Targets = policy.Look, []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "viewer"}}
	return s
}

func opening() scene {
	s := working()
	s.f.Window.Live, s.f.Window.From, s.f.Window.Until = false, time.Time{}, time.Time{}
	s.q = policy.Query{Stage: policy.AtOpen}
	return s
}

func TestDecide(t *testing.T) {
	at := func(base func() scene, change func(*scene)) scene { s := base(); change(&s); return s }
	forever := policy.Block{ID: "B-1", By: "mia", Why: "stolen laptop"}
	for story, row := range map[string]struct {
		scene
		rule string // of the refusal; empty: allowed
		say  string
	}{
		"ann works on the filler":            {working(), "", ""},
		"ann looks at the filler":            {looking(), "", ""},
		"ann asks":                           {asking(), "", ""},
		"the shift opens":                    {opening(), "", ""},
		"ann connects":                       {at(working, func(s *scene) { s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source} }), "", ""},
		"no stage at all":                    {at(working, func(s *scene) { s.q.Stage = 0 }), "default-deny", ""},
		"a stage from nowhere":               {at(working, func(s *scene) { s.q.Stage = 200 }), "default-deny", ""},
		"nobody knows nothing":               {scene{q: policy.Query{Stage: policy.AtChannel}}, "unknown-person", ""},
		"nobody asks":                        {at(working, func(s *scene) { s.f.Person.ID = "" }), "unknown-person", ""},
		"somebody of no firm":                {at(working, func(s *scene) { s.f.Person.Firm = "" }), "unknown-person", ""},
		"ann was switched off":               {at(working, func(s *scene) { s.f.Person.Disabled = true }), "person-disabled", "call your contact"},
		"krall's contract has ended":         {at(working, func(s *scene) { s.f.Person.Until = s.now }), "firm-ended", ""},
		"it ends before the span":            {at(asking, func(s *scene) { s.f.Person.Until = day("2026-11-21 00:00") }), "firm-ended", "an earlier time"},
		"it ends within the span, too early": {at(asking, func(s *scene) { s.f.Person.Until = day("2026-11-22 03:00") }), "firm-ended", "for an earlier time"},
		"the machine is called otherwise":    {at(working, func(s *scene) { s.q.Asset = "filer-plc" }), "unknown-asset", "is filler-plc meant?"},
		"a machine called escape sequence":   {at(working, func(s *scene) { s.q.Asset = "\x1b[2J" }), "unknown-asset", `\x1b`},
		"no machine":                         {at(working, func(s *scene) { s.q.Asset = "" }), "unknown-asset", ""},
		"a port it has not":                  {at(working, func(s *scene) { s.q.Port = "https" }), "unknown-port", "it has: modbus, ssh"},
		"no port":                            {at(working, func(s *scene) { s.q.Port = "" }), "unknown-port", ""},
		"an account it has not":              {at(working, func(s *scene) { s.q.Account = "root" }), "unknown-account", "it has: maint, recipes, viewer"},
		"no account":                         {at(working, func(s *scene) { s.q.Account = "" }), "unknown-account", ""},
		"an account where there are none":    {at(working, func(s *scene) { s.q.Port = "modbus" }), "unknown-account", "leave the account out"},
		"ann is blocked":                     {at(working, func(s *scene) { forever.Person = "ann"; s.f.Blocks = []policy.Block{forever} }), "blocked", "until somebody lifts it"},
		"krall is blocked":                   {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{Firm: "krall"}} }), "blocked", ""},
		"the filler is blocked":              {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{Asset: "filler-plc"}} }), "blocked", ""},
		"the line is blocked":                {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{Zone: "line-1"}} }), "blocked", ""},
		"an island":                          {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{All: true}} }), "blocked", "lets nobody in"},
		"an island refuses to open":          {at(opening, func(s *scene) { s.f.Blocks = []policy.Block{{All: true}} }), "blocked", ""},
		"an island refuses to connect": {at(working, func(s *scene) {
			s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source}
			s.f.Blocks = []policy.Block{{All: true}}
		}), "blocked", ""},
		"somebody else is blocked":    {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{Person: "bo"}, {Firm: "x"}, {Asset: "y"}, {Zone: "z"}} }), "", ""},
		"a block that has passed":     {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Until: s.now}} }), "", ""},
		"a block with a minute to go": {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Until: s.now.Add(time.Minute)}} }), "blocked", ""},
		"an island lifted for one zone lets connect": {at(working, func(s *scene) {
			s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source}
			s.f.Blocks = []policy.Block{{All: true, Free: []policy.ZoneName{"line-1"}}}
		}), "", ""},
		"an island, lifted for another zone":   {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Free: []policy.ZoneName{"ops"}}} }), "blocked", ""},
		"an island, lifted for this zone":      {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Free: []policy.ZoneName{"ops", "line-1"}}} }), "", ""},
		"an island of this zone":               {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{Zone: "line-1", Island: true}} }), "blocked", ""},
		"an empty block blocks nobody":         {at(working, func(s *scene) { s.f.Blocks = []policy.Block{{}} }), "", ""},
		"a block that ends before the work":    {at(asking, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Until: day("2026-11-21 12:00")}} }), "", ""},
		"a block over the whole span":          {at(asking, func(s *scene) { s.f.Blocks = []policy.Block{{All: true, Until: day("2026-11-22 11:00")}} }), "blocked", ""},
		"a vendor at the safety system":        {at(asking, func(s *scene) { s.q.Asset = "safety-plc" }), "zone-never", ""},
		"from somebody else's network":         {at(working, func(s *scene) { s.q.Source = netip.MustParseAddr("203.0.113.9") }), "source-network", ""},
		"from no address":                      {at(working, func(s *scene) { s.q.Source = netip.Addr{} }), "source-network", ""},
		"a firm without networks":              {at(working, func(s *scene) { s.f.Person.Networks = nil }), "source-network", ""},
		"from a v4 address in v6 clothes":      {at(working, func(s *scene) { s.q.Source = netip.MustParseAddr("::ffff:198.51.100.7") }), "", ""},
		"a plant person from anywhere":         {at(working, func(s *scene) { s.f.Person.Networks, s.f.Person.Plant = nil, true }), "", ""},
		"no window":                            {at(working, func(s *scene) { s.f.Window = policy.WindowFacts{} }), "no-window", ""},
		"a row edited to be live":              {at(working, func(s *scene) { s.f.Window.Agreed = false }), "window-not-agreed", ""},
		"agreed but not open":                  {at(working, func(s *scene) { s.f.Window.Live = false }), "window-not-open", "wait for the shift"},
		"opening what is not agreed":           {at(opening, func(s *scene) { s.f.Window.Agreed = false }), "window-not-agreed", ""},
		"opening before its span":              {at(opening, func(s *scene) { s.f.Window.From = s.now.Add(time.Second) }), "window-not-open", ""},
		"opening after its span":               {at(opening, func(s *scene) { s.f.Window.Until = s.now }), "window-ended", ""},
		"a window for nothing":                 {at(opening, func(s *scene) { s.f.Window.Targets = nil }), "empty-window", ""},
		"a window for an asset without a name": {at(opening, func(s *scene) { s.f.Window.Targets = []policy.Target{{}} }), "unknown-asset", ""},
		"a second target that cannot be":       {at(opening, func(s *scene) { s.f.Window.Targets = append(s.f.Window.Targets, policy.Target{Asset: "safety-plc"}) }), "zone-never", ""},
		"paused":                               {at(working, func(s *scene) { s.f.Window.Live, s.f.Window.Paused = false, true }), "window-paused", "wait"},
		"paused, and somebody connects":        {at(working, func(s *scene) { s.f.Window.Paused, s.q = true, policy.Query{Stage: policy.AtAdmit, Source: s.q.Source} }), "window-paused", ""},
		"ending: nothing new":                  {at(working, func(s *scene) { s.f.Window.Ending = true }), "window-ending", ""},
		"ending: nobody new": {at(working, func(s *scene) {
			s.f.Window.Ending = true
			s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source}
		}), "window-ending", ""},
		"ending: what runs goes on":     {at(working, func(s *scene) { s.f.Window.Ending, s.q.Stage = true, policy.AtOperation }), "", ""},
		"in the last moment":            {at(working, func(s *scene) { s.now = s.f.Window.Until.Add(-1) }), "", ""},
		"one moment later":              {at(working, func(s *scene) { s.now = s.f.Window.Until }), "window-ended", ""},
		"an operation after the end":    {at(working, func(s *scene) { s.now, s.q.Stage = s.f.Window.Until, policy.AtOperation }), "window-ended", ""},
		"before it was opened":          {at(working, func(s *scene) { s.now = s.f.Window.From.Add(-1) }), "window-not-open", ""},
		"a window without an end":       {at(working, func(s *scene) { s.f.Window.Until = time.Time{} }), "window-ended", ""},
		"a window without a beginning":  {at(working, func(s *scene) { s.f.Window.From = time.Time{} }), "window-not-open", ""},
		"somebody else's window":        {at(working, func(s *scene) { s.f.Window.People = []policy.PersonID{"bo"} }), "not-in-window", ""},
		"another account than agreed":   {at(working, func(s *scene) { s.q.Account = "recipes" }), "target-not-in-window", "filler-plc by ssh as recipes"},
		"another port than agreed":      {at(working, func(s *scene) { s.q.Port, s.q.Account = "modbus", "" }), "target-not-in-window", ""},
		"another asset than agreed":     {at(working, func(s *scene) { s.q.Asset, s.q.Account = "pasteur-plc", "viewer" }), "target-not-in-window", ""},
		"more rights than agreed":       {at(looking, func(s *scene) { s.q.Rights = policy.Look | policy.Set }), "rights-beyond-window", "this window allows: look"},
		"no rights":                     {at(working, func(s *scene) { s.q.Rights = 0 }), "no-rights", ""},
		"rights that there are not":     {at(asking, func(s *scene) { s.q.Rights = 0xff }), "no-rights", ""},
		"files on a path for files":     {at(working, func(s *scene) { s.q.Port = "sftp" }), "", ""},
		"files by subsystem":            {at(working, func(s *scene) { s.q.Kind = "subsystem" }), "", ""},
		"more than the conduit carries": {at(asking, func(s *scene) { s.q.Rights |= policy.Device }), "no-conduit", "conduit dmz-line-1 does not carry device (its owners: ot-security, line-1-owner)"},
		"files where the conduit carries none": {at(asking, func(s *scene) {
			s.q.Asset, s.q.Port, s.q.Account, s.q.Rights = "chiller-plc", "sftp", "trend", policy.Look|policy.Copy
		}), "no-conduit", "conduit ops-utilities does not carry sftp"},
		"maint, only to look":                 {at(asking, func(s *scene) { s.q.Rights = policy.Look }), "account-can-more", "use viewer"},
		"maint in a window that was narrowed": {at(working, func(s *scene) { s.q.Rights, s.f.Window.Rights = policy.Look, policy.Look|policy.Copy|policy.Set }), "account-can-more", "use recipes"},
		"modbus, which nobody enforces": {at(asking, func(s *scene) {
			s.q.Asset, s.q.Port, s.q.Account, s.q.Rights = "pasteur-plc", "modbus", "", policy.Look
		}), "account-can-more", "use viewer"},
		"modbus, which Penstock enforces":   {at(asking, func(s *scene) { s.q.Port, s.q.Account, s.q.Rights = "modbus", "", policy.Look }), "", ""},
		"viewer, to load":                   {at(asking, func(s *scene) { s.q.Account = "viewer" }), "account-cannot", "viewer cannot copy, set, operate, load; use maint"},
		"longer than the rules allow":       {at(asking, func(s *scene) { s.q.Minutes = 241 }), "too-long", "the 4h that rule set allows"},
		"exactly as long":                   {at(asking, func(s *scene) { s.q.Minutes = 240 }), "", ""},
		"no minutes":                        {at(asking, func(s *scene) { s.q.Minutes = 0 }), "span-empty", ""},
		"minutes below nothing":             {at(asking, func(s *scene) { s.q.Minutes = -5 }), "span-empty", ""},
		"no span":                           {at(asking, func(s *scene) { s.q.From, s.q.Until = time.Time{}, time.Time{} }), "span-empty", ""},
		"a span of a season":                {at(asking, func(s *scene) { s.q.Until = s.q.From.AddDate(0, 3, 0) }), "span-too-long", ""},
		"a span that has passed":            {at(asking, func(s *scene) { s.now = s.q.Until.Add(-time.Hour) }), "span-too-short", ""},
		"a span turned around":              {at(asking, func(s *scene) { s.q.From, s.q.Until = s.q.Until, s.q.From }), "span-too-short", ""},
		"no outage in the span":             {at(asking, func(s *scene) { s.q.From, s.q.Until = day("2026-11-23 08:00"), day("2026-11-24 18:00") }), "calendar:line-1-outage", "the next is Sun 2026-11-29 00:00 CET"},
		"the outage is too short for it":    {at(asking, func(s *scene) { s.q.Until = day("2026-11-22 03:59") }), "calendar:line-1-outage", ""},
		"the campaign takes the whole span": {at(asking, func(s *scene) { s.q.From, s.q.Until = day("2026-12-20 00:00"), day("2026-12-27 12:00") }), "freeze:campaign", "the next is Sun 2027-01-10"},
		"the campaign lets people look": {at(looking, func(s *scene) {
			s.now = day("2026-12-24 12:00")
			s.f.Window.From, s.f.Window.Until = s.now, s.now.Add(time.Hour)
		}), "", ""},
		"now is no outage": {at(working, func(s *scene) {
			s.now = day("2026-11-22 06:00")
			s.f.Window.Until = s.now.Add(time.Hour)
			s.f.Window.From = s.now.Add(-time.Hour)
		}), "calendar:line-1-outage", "next Sun 2026-11-29 00:00 CET"},
		"opening when there is no outage":       {at(opening, func(s *scene) { s.now = day("2026-11-22 06:00") }), "calendar:line-1-outage", ""},
		"the key switch is not turned":          {at(working, func(s *scene) { s.f.Live.Gates = nil }), "gate:line-1-key", "this work waits for Vendor key switch on panel A3"},
		"the key was turned back":               {at(working, func(s *scene) { s.f.Live.Gates = map[string]bool{"line-1-key": false}; s.q.Stage = policy.AtOperation }), "gate:line-1-key", ""},
		"paused, so nothing passes, key back":   {at(working, func(s *scene) { s.f.Live.Gates, s.f.Live.Held, s.q.Stage = nil, true, policy.AtOperation }), "", ""},
		"paused does not open without the key":  {at(opening, func(s *scene) { s.f.Live.Gates, s.f.Live.Held = nil, true }), "gate:line-1-key", ""},
		"opening without the key":               {at(opening, func(s *scene) { s.f.Live.Gates = nil }), "gate:line-1-key", ""},
		"only to look, the key may hang":        {at(looking, func(s *scene) { s.f.Live.Gates = nil }), "", ""},
		"asking without the key":                {asking(), "", ""},
		"maint says it only looks, without key": {at(working, func(s *scene) { s.q.Rights, s.f.Live.Gates = policy.Look, nil }), "gate:line-1-key", ""},
		"maint says it only looks, in no outage": {at(working, func(s *scene) {
			s.q.Rights, s.now = policy.Look, day("2026-11-22 06:30")
			s.f.Window.From, s.f.Window.Until = s.now, s.now.Add(time.Hour)
		}), "calendar:line-1-outage", ""},
		"the escort has left":                    {at(working, func(s *scene) { s.f.Live.Escort = false }), "escort", ""},
		"to look needs no escort":                {at(looking, func(s *scene) { s.f.Live.Escort = false }), "", ""},
		"somebody else is writing":               {at(working, func(s *scene) { s.f.Live.Writers = map[policy.AssetName]policy.SessionID{"filler-plc": "S-2"} }), "one-writer", ""},
		"the writer is ann herself":              {at(working, func(s *scene) { s.f.Live.Writers = map[policy.AssetName]policy.SessionID{"filler-plc": "S-1"} }), "", ""},
		"somebody writes, ann looks":             {at(looking, func(s *scene) { s.f.Live.Writers = map[policy.AssetName]policy.SessionID{"filler-plc": "S-2"} }), "", ""},
		"somebody writes to another machine":     {at(working, func(s *scene) { s.f.Live.Writers = map[policy.AssetName]policy.SessionID{"capper-drive": "S-2"} }), "", ""},
		"a machine whose host key is not pinned": {at(looking, func(s *scene) { s.q.Asset = "cip-plc"; s.f.Window.Targets[0].Asset = "cip-plc" }), "host-key-not-pinned", "ask OT security"},
		"run longer than the rules allow now":    {at(working, func(s *scene) { s.f.Window.From = s.now.Add(-4 * time.Hour) }), "too-long", ""},
	} {
		t.Run(story, func(t *testing.T) {
			p := parse(t, example(t))
			d := p.Decide(row.f, row.q, row.now)
			if d.Allow != (row.rule == "") || !d.Allow && d.Rule != row.rule || !strings.Contains(d.Say, row.say) {
				t.Errorf("allow %t by %q: %s (%s)\nwant %q: %s", d.Allow, d.Rule, d.Say, d.Why, row.rule, row.say)
			}
			if !d.Allow && (d.Say == "" || d.Why == "" || d.Target.IsValid() || d.Path != nil || !reflect.DeepEqual(d.Duties, policy.Duties{})) {
				t.Errorf("a refusal that gives something, or no reason: %+v", d)
			}
			if e := p.Explain(row.f, row.q, row.now); !reflect.DeepEqual(e.Decision, d) {
				t.Errorf("explained otherwise: %+v\n%+v", e.Decision, d)
			}
		})
	}
}

func TestWhatAnAllowedChannelGets(t *testing.T) {
	p := parse(t, example(t))
	s := working()
	d := p.Decide(s.f, s.q, s.now)
	if d.Rule != "operate" || !slices.Equal(d.Path, []policy.ZoneName{"dmz", "line-1"}) || d.Target != netip.MustParseAddrPort("10.20.1.11:22") ||
		!d.Until.Equal(s.f.Window.Until) || d.Window != "W-17" || d.Rev != 3 || d.Refusal() != nil {
		t.Errorf("%+v", d)
	}
	if u := d.Duties; u.StrictBoth || !u.Escort || u.Inspect != "" || u.Login.Principal != "maint@filler-plc.kiel" || len(u.HostKeys) != 1 || !strings.HasPrefix(u.HostKeys[0], "ssh-ed25519 AAAA") || u.InputOff {
		t.Errorf("%+v", u)
	}
	s.q.Port = "sftp"
	if d := p.Decide(s.f, s.q, s.now); !d.Duties.StrictBoth || d.Target.Port() != 22 {
		t.Errorf("files: %+v", d)
	}
	s = looking()
	s.q.Asset, s.q.Account, s.q.Rights = "historian", "reader", policy.Look|policy.Copy
	s.f.Window.Rights, s.f.Window.Targets = s.q.Rights, []policy.Target{{Asset: "historian", Port: "ssh", Account: "reader"}}
	if d := p.Decide(s.f, s.q, s.now); d.Target != netip.MustParseAddrPort("10.10.0.30:2222") || d.Rule != "copy" {
		t.Errorf("historian: %+v", d)
	}
}

func TestNarrowedWhileItRuns(t *testing.T) {
	p := parse(t, example(t))
	s := working()
	s.f.Window.Rights, s.q.Rights, s.q.Stage = policy.Look, policy.Look, policy.AtOperation
	if d := p.Decide(s.f, s.q, s.now); !d.Allow || !d.Duties.InputOff {
		t.Errorf("narrowed to look: %+v", d)
	}
	s = looking()
	s.q.Stage = policy.AtOperation
	if d := p.Decide(s.f, s.q, s.now); !d.Allow || d.Duties.InputOff {
		t.Errorf("the device enforces look, so input stays: %+v", d)
	}
}

func TestUntilIsTheEarliestEnd(t *testing.T) {
	p := parse(t, example(t))
	for story, row := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"the window's end": {func(s *scene) {}, "2026-11-22 03:00"},
		"the outage's end": {func(s *scene) { s.f.Window.Until = day("2026-11-22 09:00") }, "2026-11-22 05:00"}, // longest comes first: opened 01:00
		"the outage's end, opened late": {func(s *scene) {
			s.f.Window.From, s.f.Window.Until = s.now, day("2026-11-22 09:00")
			s.f.Window.From = day("2026-11-22 02:00")
		}, "2026-11-22 06:00"},
		"the contract's end": {func(s *scene) { s.f.Person.Until = day("2026-11-22 02:30") }, "2026-11-22 02:30"},
		"the freeze's start, for the rest": {func(s *scene) {
			s.now = day("2026-12-17 23:30")
			narrowToService(s)
			s.f.Window.From, s.f.Window.Until = s.now, s.now.Add(4*time.Hour)
		}, "2026-12-18 00:00"},
	} {
		t.Run(story, func(t *testing.T) {
			s := working()
			row.change(&s)
			if d := p.Decide(s.f, s.q, s.now); !d.Allow || !d.Until.Equal(day(row.want)) {
				t.Errorf("%t %s %s until %s, not %s", d.Allow, d.Rule, d.Why, d.Until.In(berlin), row.want)
			}
		})
	}
}

func narrowToService(s *scene) {
	s.q.Asset, s.q.Account, s.q.Rights = "line-1-ews", "service", policy.Look|policy.Copy|policy.Load
	s.f.Window.Rights, s.f.Window.Targets = s.q.Rights, []policy.Target{{Asset: "line-1-ews", Port: "ssh", Account: "service"}}
}

// The outage is Sunday 00:00 to 06:00 by the clock on the wall. On 29 March
// 2026 that clock jumps from 02:00 to 03:00, on 25 October back from 03:00 to
// 02:00: five hours, and seven.
func TestCalendarsAcrossClockChanges(t *testing.T) {
	p := parse(t, example(t))
	for _, row := range []struct {
		utc  string
		open bool
	}{
		{"2026-03-28T22:59:59Z", false}, {"2026-03-28T23:00:00Z", true}, // 00:00 CET
		{"2026-03-29T00:59:59Z", true}, {"2026-03-29T01:00:00Z", true}, // the jump
		{"2026-03-29T03:59:59Z", true}, {"2026-03-29T04:00:00Z", false}, // 06:00 CEST
		{"2026-10-24T21:59:59Z", false}, {"2026-10-24T22:00:00Z", true}, // 00:00 CEST
		{"2026-10-25T00:30:00Z", true}, {"2026-10-25T01:30:00Z", true}, // 02:30, twice
		{"2026-10-25T04:59:59Z", true}, {"2026-10-25T05:00:00Z", false}, // 06:00 CET
	} {
		now, err := time.Parse(time.RFC3339, row.utc)
		if err != nil {
			t.Fatal(err)
		}
		s := working()
		s.now, s.f.Window.From, s.f.Window.Until = now, now.Add(-time.Minute), now.Add(time.Minute)
		if d := p.Decide(s.f, s.q, s.now); d.Allow != row.open {
			t.Errorf("%s (%s): %t %s", row.utc, now.In(berlin), d.Allow, d.Why)
		}
	}
	for _, row := range []struct {
		minutes    int
		from, till string
		fits       bool
	}{
		{240, "2026-03-29 00:00", "2026-03-29 12:00", true},
		{240, "2026-03-29 01:01", "2026-03-29 12:00", false}, // 00:01 UTC to 04:00 UTC is a minute short
		{240, "2026-10-25 01:00", "2026-10-25 12:00", true},
		{240, "2026-10-25 04:00", "2026-10-25 12:00", false},
	} {
		s := asking()
		s.q.From, s.q.Until, s.q.Minutes, s.now = day(row.from), day(row.till), row.minutes, day(row.from)
		if d := p.Decide(s.f, s.q, s.now); d.Allow != row.fits {
			t.Errorf("%+v: %t %s", row, d.Allow, d.Why)
		}
	}
}

func TestSpansThatTouchTheChange(t *testing.T) {
	for _, row := range []struct {
		weekly   string
		utc      string
		in       bool
		whatItIs string
	}{
		{"Sun 02:15-02:45", "2026-03-29T01:10:00Z", false, "02:15 to 02:45 never comes"},
		{"Sun 02:30-04:00", "2026-03-29T01:00:00Z", true, "02:30 never comes; it begins with the jump"},
		{"Sun 01:00-02:30", "2026-03-29T00:59:00Z", true, "ends with the jump"},
		{"Sun 01:00-02:30", "2026-03-29T01:00:00Z", false, "ends with the jump"},
		{"Sun 02:00-02:30", "2026-10-25T00:10:00Z", true, "the first 02:10"},
		{"Sun 02:00-02:30", "2026-10-25T01:10:00Z", true, "the second 02:10"},
		{"Sun 02:00-02:30", "2026-10-25T01:31:00Z", false, "after the second 02:30"},
		{"Sat 22:00-02:00", "2026-10-24T23:59:00Z", true, "over midnight"},
		{"Sat 22:00-02:00", "2026-10-25T01:00:00Z", false, "02:00 comes once as an end, though the hour comes again"},
		{"Mon-Fri 22:00-06:00", "2026-11-28T04:59:00Z", true, "the night after Friday"},
		{"Mon-Fri 22:00-06:00", "2026-11-29T02:00:00Z", false, "the night after Saturday"},
		{"Fri-Mon 08:00-09:00", "2026-11-22T07:30:00Z", true, "over the end of the week"},
		{"Sat 00:00-24:00", "2026-11-28T22:59:00Z", true, "to midnight"},
		{"Sat 00:00-24:00", "2026-11-28T23:00:00Z", false, "and no further"},
	} {
		p := parse(t, edited(t, "Sun 00:00-06:00", row.weekly))
		now, err := time.Parse(time.RFC3339, row.utc)
		if err != nil {
			t.Fatal(err)
		}
		s := working()
		s.now, s.f.Window.From, s.f.Window.Until = now, now.Add(-time.Minute), now.Add(time.Minute)
		if d := p.Decide(s.f, s.q, s.now); d.Allow != row.in {
			t.Errorf("%s at %s (%s): %t", row.weekly, now.In(berlin), row.whatItIs, d.Allow)
		}
	}
}

func TestQuorum(t *testing.T) {
	p := parse(t, edited(t, "plan: [owner, ot-security],         open: shift", "plan: [owner, {ot-security: 2}],         open: shift"))
	for story, row := range map[string]struct {
		assets []policy.AssetName
		rights policy.Rights
		want   string
	}{
		"looking needs the shift":    {[]policy.AssetName{"filler-plc"}, policy.Look, "must agree: shift (rule look); opens: shift; at most 8h; a code is enough"},
		"without a shift, the owner": {[]policy.AssetName{"historian"}, policy.Look, "must agree: ot-security (rule look); opens: ot-security; at most 8h; a code is enough"},
		"loading needs three":        {[]policy.AssetName{"filler-plc"}, policy.Look | policy.Load, "must agree: line-1-owner (rule load), 2 of ot-security (rule load); opens: shift; at most 6h; by a key of their own; with an escort; the request says: backout, backup, change"},
		"the strictest of each":      {[]policy.AssetName{"filler-plc"}, all, "must agree: line-1-owner (rule load), 2 of ot-security (rule load); opens: shift; at most 4h; by a key of their own; with an escort; the request says: area_clear, backout, backup, change, work_order"},
		"two zones, both owners":     {[]policy.AssetName{"chiller-plc", "pasteur-plc"}, policy.Look | policy.Copy, "must agree: line-1-owner (rule copy), utilities-owner (rule copy); opens: shift, utilities-shift; at most 8h; by a key of their own"},
	} {
		q, err := p.Quorum(row.assets, row.rights)
		if err != nil || q.String() != row.want {
			t.Errorf("%s: %v\n%s\n%s", story, err, q, row.want)
		}
	}
	for story, row := range map[string]struct {
		assets []policy.AssetName
		rights policy.Rights
		rule   string
	}{
		"nothing asked":        {nil, policy.Look, "no-rights"},
		"no rights":            {[]policy.AssetName{"filler-plc"}, 0, "no-rights"},
		"an asset that is not": {[]policy.AssetName{"filler-plc", "x"}, policy.Look, "unknown-asset"},
		"rights that are not":  {[]policy.AssetName{"filler-plc"}, 0x80, "no-rule"},
	} {
		q, err := p.Quorum(row.assets, row.rights)
		if r, ok := errors.AsType[*policy.Refusal](err); !ok || r.Rule != row.rule || len(q.Needs) != 0 {
			t.Errorf("%s: %v %+v", story, err, q)
		}
	}
}

// A grace is given only where every rule that lets the work be done gives one.
func TestGraceIsTheShortestThatAllGive(t *testing.T) {
	for story, row := range map[string]struct {
		look, load string
		want       time.Duration
	}{
		"nobody gives one":     {"", "", 0},
		"one rule gives none":  {"", ", grace: 4m", 0},
		"the shortest of both": {", grace: 90s", ", grace: 4m", 90 * time.Second},
	} {
		files := example(t)
		text := strings.Replace(string(files["plant.yaml"]), "open: shift, longest: 8h, proof: code}", "open: shift, longest: 8h"+row.look+"}", 1)
		files["plant.yaml"] = []byte(strings.Replace(text, "open: shift, longest: 6h", "open: shift, longest: 6h"+row.load, 1))
		q, err := parse(t, files).Quorum([]policy.AssetName{"filler-plc"}, policy.Look|policy.Load)
		if err != nil || q.Grace != row.want || strings.Contains(q.String(), "grace") != (row.want > 0) {
			t.Errorf("%s: %s, want %s (%v)\n%s", story, q.Grace, row.want, err, q)
		}
	}
}

func TestARightWithoutARuleIsRefused(t *testing.T) {
	files := edited(t, "  - {name: operate,", "  - {name: operated,")
	text := string(files["plant.yaml"])
	text = strings.Replace(text, "when: {right: operate}, plan", "when: {right: operate, zone: utilities}, plan", 1)
	files["plant.yaml"] = []byte(text)
	p, s := parse(t, files), asking()
	if d := p.Decide(s.f, s.q, s.now); d.Allow || d.Rule != "no-rule" || !strings.Contains(d.Say, "operate on filler-plc") {
		t.Errorf("%+v", d)
	}
	if _, err := p.Quorum([]policy.AssetName{"filler-plc"}, all); err == nil {
		t.Error("a quorum for what nobody can agree to")
	}
}

func TestRulesForFiles(t *testing.T) {
	p := parse(t, edited(t, "  - {name: campaign, when: {zone: ops", "  - {name: files, when: {port: sftp, asset: historian}, plan: [it-network], open: shift, longest: 10m, proof: code}\n  - {name: campaign, when: {zone: ops"))
	s := looking()
	s.q.Asset, s.q.Account, s.q.Rights = "historian", "reader", policy.Look|policy.Copy
	s.f.Window.Rights, s.f.Window.Targets, s.f.Window.From = s.q.Rights, []policy.Target{{Asset: "historian", Port: "ssh", Account: "reader"}}, s.now
	if d := p.Decide(s.f, s.q, s.now); d.Rule != "copy" {
		t.Errorf("a shell: %+v", d)
	}
	s.q.Kind = "subsystem"
	if d := p.Decide(s.f, s.q, s.now); d.Rule != "files" || !d.Until.Equal(s.now.Add(10*time.Minute)) {
		t.Errorf("files by subsystem: %+v", d)
	}
	s.f.Window.Targets[0].Port = "sftp"
	if d := p.Decide(s.f, s.q, s.now); !d.Allow {
		t.Errorf("files in a window for files: %+v", d)
	}
	s.q.Kind = "shell"
	if d := p.Decide(s.f, s.q, s.now); d.Rule != "target-not-in-window" {
		t.Errorf("a shell in a window for files: %+v", d)
	}
	q, err := p.Quorum([]policy.AssetName{"historian"}, policy.Look)
	if err != nil || !slices.Contains(q.Asked(), "it-network") || q.Longest != 10*time.Minute {
		t.Errorf("whoever asks for the historian may come for files: %v %s", err, q)
	}
}

func TestWhoReadsRecordings(t *testing.T) {
	p := parse(t, example(t))
	if !p.MayRead([]policy.Role{"shift", "ot-security"}) || p.MayRead([]policy.Role{"shift"}) || p.MayRead(nil) {
		t.Error("recordings are read by others than the plant file says")
	}
	for _, row := range []struct {
		roles []policy.Role
		may   bool
	}{{[]policy.Role{"shift", "ot-security"}, true}, {[]policy.Role{"plant-manager"}, false}, {[]policy.Role{"shift"}, false}, {nil, false}} {
		if p.MayReadInput(row.roles) != row.may {
			t.Errorf("%v may see what was typed: %v", row.roles, !row.may)
		}
	}
}

func TestWhoWatches(t *testing.T) {
	p := parse(t, example(t))
	for _, row := range []struct {
		role  policy.Role
		asset policy.AssetName
		may   bool
	}{
		{"shift", "filler-plc", true}, {"line-1-owner", "filler-plc", true}, {"ot-security", "filler-plc", true}, {"plant-manager", "filler-plc", true},
		{"shift", "chiller-plc", false}, {"utilities-shift", "filler-plc", false}, {"utilities-shift", "chiller-plc", true}, {"it-network", "filler-plc", false},
		{"", "filler-plc", false}, {"shift", "gone", false}, {"ot-security", "gone", true},
	} {
		if got := p.MayWatch([]policy.Role{row.role}, row.asset); got != row.may {
			t.Errorf("%s watches %s: %v", row.role, row.asset, got)
		}
	}
	if p.MayWatch(nil, "filler-plc") {
		t.Error("somebody without a role watches")
	}
}

func drawScene(t *rapid.T, p *policy.Plant) scene {
	base := rapid.SampledFrom([]func() scene{working, asking, looking, opening}).Draw(t, "base")
	s := base()
	pick := func(what string) bool { return rapid.IntRange(0, 5).Draw(t, what) == 0 }
	if pick("stage") {
		s.q.Stage = policy.Stage(rapid.IntRange(0, 6).Draw(t, "new stage"))
	}
	if pick("asset") {
		a := rapid.SampledFrom(p.Assets).Draw(t, "new asset")
		s.q.Asset = a.Name
		if len(a.Ports) > 0 {
			port := rapid.SampledFrom(a.Ports).Draw(t, "port")
			s.q.Port, s.q.Account = port.Name, ""
			if port.Login() {
				s.q.Account = rapid.SampledFrom(port.Accounts).Draw(t, "account").Name
			}
		}
		if rapid.Bool().Draw(t, "targeted") {
			s.f.Window.Targets = append(s.f.Window.Targets, policy.Target{Asset: s.q.Asset, Port: s.q.Port, Account: s.q.Account})
		}
	}
	if pick("rights") {
		s.q.Rights = policy.Rights(rapid.Byte().Draw(t, "new rights"))
	}
	if pick("window rights") {
		s.f.Window.Rights = policy.Rights(rapid.IntRange(0, 63).Draw(t, "new window rights"))
	}
	if pick("now") {
		s.now = s.now.Add(time.Duration(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "by")))
	}
	if pick("window") {
		s.f.Window.Agreed, s.f.Window.Live, s.f.Window.Ending, s.f.Window.Paused = rapid.Bool().Draw(t, "agreed"), rapid.Bool().Draw(t, "live"), rapid.Bool().Draw(t, "ending"), rapid.Bool().Draw(t, "paused")
	}
	if pick("person") {
		s.f.Person.Plant, s.f.Person.Disabled = rapid.Bool().Draw(t, "plant"), rapid.Bool().Draw(t, "disabled")
	}
	if pick("ask") {
		s.f.Ask = policy.AskFacts{Known: rapid.Bool().Draw(t, "known"), Missing: rapid.SampledFrom([][]string{nil, {"work_order"}, {"backout"}}).Draw(t, "missing")}
		s.q.Source = netip.MustParseAddr(rapid.SampledFrom([]string{"198.51.100.7", "203.0.113.9"}).Draw(t, "source"))
		s.f.Window.Escort = rapid.Bool().Draw(t, "under escort")
	}
	if pick("gates") {
		s.f.Live.Gates, s.f.Live.Escort = nil, rapid.Bool().Draw(t, "escort")
	}
	if pick("block") {
		s.f.Blocks = []policy.Block{{Firm: "krall", Until: s.now.Add(time.Duration(rapid.Int64Range(-1e13, 1e13).Draw(t, "until")))}}
	}
	return s
}

// What holds of every decision whatever is asked.
func TestProperties(t *testing.T) {
	p := parse(t, example(t))
	var allowed int
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, p)
		d := p.Decide(s.f, s.q, s.now)
		if e := p.Explain(s.f, s.q, s.now); !reflect.DeepEqual(e.Decision, d) {
			t.Fatalf("Explain says %+v, Decide %+v", e.Decision, d)
		}
		if !d.Allow {
			if d.Rule == "" || d.Say == "" {
				t.Fatalf("a refusal without words: %+v", d)
			}
			return
		}
		allowed++
		live := s.q.Stage == policy.AtAdmit || s.q.Stage == policy.AtChannel || s.q.Stage == policy.AtOperation
		w := s.f.Window
		switch {
		case s.f.Person.Disabled, s.q.Stage == 0, s.q.Stage > policy.AtOperation:
			t.Fatalf("allowed: %+v", s)
		case live && (!w.Agreed || !w.Live || w.Paused || s.now.Before(w.From) || !s.now.Before(w.Until) || !w.Rights.Has(s.q.Rights)):
			t.Fatalf("no live window, but allowed: %+v", s)
		case live && w.Ending && s.q.Stage != policy.AtOperation:
			t.Fatalf("something new in an ending window: %+v", s)
		case live && (!d.Until.After(s.now) || d.Until.After(w.Until)):
			t.Fatalf("allowed until %s, now %s, window ends %s", d.Until, s.now, w.Until)
		case s.q.Asset == "safety-plc" && !s.f.Person.Plant:
			t.Fatalf("a vendor at the safety system: %+v", s)
		case len(d.Path) > 0 && d.Path[0] != p.Start():
			t.Fatalf("a path from %s", d.Path[0])
		}
		// Decision.Until promises: with the same facts it holds until then.
		if live && d.Until.Sub(s.now) > 0 {
			if again := p.Decide(s.f, s.q, d.Until.Add(-1)); !again.Allow {
				t.Fatalf("allowed until %s, but refused before: %s", d.Until, again.Why)
			}
		}
		// Less is never refused for a reason of its own where penstock or the device does not change: a block more, though, always refuses.
		s.f.Blocks = append(s.f.Blocks, policy.Block{All: true})
		if p.Decide(s.f, s.q, s.now).Allow {
			t.Fatal("allowed on an island")
		}
	})
	if allowed == 0 {
		t.Error("no drawn scene was ever allowed; the properties held nothing")
	}
}

func TestStoriesMustBeTold(t *testing.T) {
	_, problems := policy.ParseStories("x.test.yaml", []byte(`
- {at: Someday, who: ann, wants: {asset: a, rights: [look]}, is: allowed, rule: x}
- {at: Sun 02:00, who: krall/ann, wants: {asset: a, rights: [lok]}, is: refused}
- {at: Sun 02:00, who: krall/ann, wants: {rights: [look]}, is: maybe}
`))
	for _, want := range []string{`"Someday" is no moment`, `"ann" is nobody`, "rule and hint are for what is refused", "is look meant?", "a refused story says by which rule", "there is no asset here", `"maybe" is not known here`} {
		if !strings.Contains(problems.Error(), want) {
			t.Errorf("nobody says %q:\n%s", want, problems.Error())
		}
	}
	p := parse(t, example(t))
	stories, problems := policy.ParseStories("x.test.yaml", []byte(`
- {at: Sun 02:00, who: krall/ann, wants: {asset: filler-plc, account: viewer, rights: [look]}, is: refused, rule: no-conduit}
- {at: Tue 02:00, who: krall/ann, wants: {asset: safety-plc, rights: [look]}, is: allowed}
- {at: Tue 02:00, who: krall/ann, wants: {asset: safety-plc, rights: [look]}, is: refused, rule: no-conduit, hint: sesame}
- {at: Tue 02:00, who: krall/ann, wants: {asset: filler-plc, account: viewer, rights: [look]}, is: allowed, asked: [safety], gates: [x], longest: 1h}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	for i, want := range []int{1, 1, 2, 3} {
		if off := stories[i].Check(p, day("2026-11-22 12:00")); len(off) != want {
			t.Errorf("story %d: %q", i, off)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := parse(b, example(b))
	for _, bench := range []struct {
		name string
		scene
	}{{"AtChannel/load", working()}, {"AtChannel/look", looking()}, {"AtAsk", asking()}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := p.Decide(bench.f, bench.q, bench.now); !d.Allow {
					b.Fatal(d.Why)
				}
			}
		})
	}
}

func TestTheZeroDecisionDenies(t *testing.T) {
	r, ok := errors.AsType[*policy.Refusal](policy.Decision{}.Refusal())
	if !ok || r.Rule != "default-deny" {
		t.Errorf("%+v", r)
	}
	if err := (policy.Decision{Allow: true}).Refusal(); err != nil {
		t.Errorf("an allowed one refuses: %v", err)
	}
}

// A sentence of a room that knows no address is a line to type once it is read.
func TestTyped(t *testing.T) {
	const desk = "ssh -p 2222 desk@broker.example"
	for say, want := range map[string]string{
		"Enrol one first: ssh desk@… totp.":    "Enrol one first: " + desk + " totp.",
		"Enrol one first: ssh -t desk@… totp.": "Enrol one first: ssh -t -p 2222 desk@broker.example totp.",
		"Nothing to type.":                     "Nothing to type.",
		"Get it: ssh cert@… W-17 W-18.":        "Get it: ssh -p 2222 cert@broker.example W-17 W-18.",
		"or scp cert@…:W-17 key-cert.pub":      "or scp -P 2222 cert@broker.example:W-17 key-cert.pub",
		"(ssh join@…) and ssh watch@… S-1":     "(ssh -p 2222 join@broker.example) and ssh -p 2222 watch@broker.example S-1",
		"write to desk@… of it":                "write to desk@… of it",
	} {
		if got := policy.Typed(say, desk); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
