package evidence_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// sent adds a file that ann sent, was looked at, let through and delivered in her own channel.
func sent(s *evidencetest.Story) {
	last := s.Step("firstbyte", 0)
	sum := audit.HashOf([]byte("recipe"))
	move := func(second int, by string, m audit.FileMoved) {
		m.File, m.Window, m.By, m.SHA256, m.At = "F-1", "W-1", by, sum, evidencetest.At(second)
		step := s.Add(second, by, m, "F-1", "file/F-1")
		s.Insert(last)
		last = step
	}
	step := s.Add(4100, "ann", audit.FileHeld{File: "F-1", Window: "W-1", Session: "S-1", Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/in/r", Bytes: 6, SHA256: sum, At: evidencetest.At(4100)}, "F-1", "file/F-1")
	s.Insert(last)
	last = step
	move(4101, "penstock", audit.FileMoved{To: "looked", Kind: "text", Scan: "clean"})
	move(4110, "mia", audit.FileMoved{To: "released"})
	move(4112, "penstock", audit.FileMoved{To: "delivering", Session: "S-1"})
	step = s.Add(4113, "ann", audit.FileTransferred{Session: "S-1", Window: "W-1", Asset: "filler-plc", Account: "maint", By: "penstock", Direction: "in", Path: "/in/r", Bytes: 6, SHA256: sum, Hashed: "content", Whole: true}, "S-1")
	s.Insert(last)
	last = step
	move(4114, "penstock", audit.FileMoved{To: "delivered", Session: "S-1"})
}

// errand has Penstock bring the file in a session of its own; do may change that.
func errand(do func(*audit.SessionStarted)) func(*evidencetest.Story) {
	return func(s *evidencetest.Story) {
		b := audit.SessionStarted{Session: "S-2", Person: "ann", Firm: "krall", Windows: []string{"W-1"}, Serial: "F-1", Source: "198.51.100.7:4000", Mode: "readable"}
		if do != nil {
			do(&b)
		}
		opened := s.Step("channel.opened", 0).Event.Body.(audit.ChannelOpened)
		opened.Session = "S-2"
		started := behind(s, s.Step("file.moved", 1), 4111, "penstock", b, "S-2")
		behind(s, started, 4111, "penstock", opened, "S-2")
		change(s.Step("file.moved", 2), func(b *audit.FileMoved) { b.Session = "S-2" })
		change(s.Step("file.transferred", 0), func(b *audit.FileTransferred) { b.Session = "S-2" })
		closed := behind(s, s.Step("file.moved", 3), 4115, "penstock", audit.ChannelClosed{Session: "S-2", In: 6, Cause: "done"}, "S-2")
		behind(s, closed, 4116, "penstock", audit.SessionEnded{Session: "S-2", Cause: "done"}, "S-2")
	}
}

// Whatever is altered about a file that waited is found.
func TestWalkFiles(t *testing.T) {
	const maint = "maint: {rights: [look, load], enforced: nobody}"
	text := strings.Replace(evidencetest.PlantText(), maint, "maint: {rights: [look, load], enforced: nobody, files: {in: {quarantine: true}}}", 1)
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if problems != nil || text == evidencetest.PlantText() {
		t.Fatal(problems)
	}
	moved := func(n int, do func(*audit.FileMoved)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("file.moved", n), do) }
	}
	held := func(do func(*audit.FileHeld)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("file.held", 0), do) }
	}
	passed := func(do func(*audit.FileTransferred)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("file.transferred", 0), do) }
	}
	stopped := func(by string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			s.Drop(s.Step("file.transferred", 0))
			moved(3, func(b *audit.FileMoved) { b.To, b.By, b.Session = "refused", by, "" })(s)
			s.Step("file.moved", 3).Event.Actor = by
		}
	}
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  []string
	}{
		{"as it was", func(*evidencetest.Story) {}, nil},
		{"past the quarantine", func(s *evidencetest.Story) {
			change(s.Step("file.transferred", 0), func(b *audit.FileTransferred) { b.By = "sftp" })
		}, []string{"past the quarantine"}},
		{"other bytes than were let through", func(s *evidencetest.Story) {
			change(s.Step("file.transferred", 0), func(b *audit.FileTransferred) { b.SHA256 = audit.HashOf(nil) })
		}, []string{"delivered other bytes"}},
		{"to another place than was let through", func(s *evidencetest.Story) {
			change(s.Step("file.transferred", 0), func(b *audit.FileTransferred) { b.Path = "/etc/rc.local" })
		}, []string{"delivered to another place"}},
		{"more than was let through, told as a part", func(s *evidencetest.Story) {
			change(s.Step("file.transferred", 0), func(b *audit.FileTransferred) { b.Whole, b.Bytes, b.SHA256 = false, 4096, audit.HashOf(nil) })
		}, []string{"delivered other bytes"}},
		{"stopped on its way", stopped("mia"), nil},
		{"stopped on its way by the vendor", stopped("ann"), []string{"who is nobody of the plant"}},
		{"stopped on its way, and delivered all the same", func(s *evidencetest.Story) {
			body := s.Step("file.transferred", 0).Event.Body
			stopped("mia")(s)
			behind(s, s.Step("file.moved", 3), 4114, "ann", body, "S-1")
		}, []string{"delivered a file that nobody let through"}},
		{"in another channel", func(s *evidencetest.Story) {
			moved(2, func(b *audit.FileMoved) { b.Channel = 7 })(s)
		}, []string{"channel 7 is not open", "that nobody let through"}},
		{"let through by the vendor", func(s *evidencetest.Story) {
			moved(1, func(b *audit.FileMoved) { b.By = "ann" })(s)
		}, []string{"mia did it, and the leaf says ann", "who may not open W-1"}},
		{"let through by an owner", func(s *evidencetest.Story) {
			s.Step("file.moved", 1).Event.Actor = "olaf"
			moved(1, func(b *audit.FileMoved) { b.By = "olaf" })(s)
		}, []string{"let through by olaf, who may not open W-1"}},
		{"let through as if it was named", func(s *evidencetest.Story) {
			s.Step("file.moved", 1).Event.Actor = "penstock"
			moved(1, func(b *audit.FileMoved) { b.By = "penstock" })(s)
		}, []string{"the request does not name its hash"}},
		{"let through as another file", func(s *evidencetest.Story) {
			moved(1, func(b *audit.FileMoved) { b.SHA256 = audit.HashOf(nil) })(s)
		}, []string{"about other bytes"}},
		{"nobody looked", func(s *evidencetest.Story) { s.Drop(s.Step("file.moved", 0)) },
			[]string{"it was held, and becomes released", "*"}},
		{"a scanner that found something", func(s *evidencetest.Story) {
			moved(0, func(b *audit.FileMoved) { b.Scan = "found" })(s)
		}, []string{"type and scanner say"}},
		{"looked at by somebody else", func(s *evidencetest.Story) {
			s.Step("file.moved", 0).Event.Actor = "ann"
		}, []string{"ann did it"}},
		{"sent in another's name", func(s *evidencetest.Story) {
			change(s.Step("file.held", 0), func(b *audit.FileHeld) { b.Person = "otto" })
		}, []string{"in a session of ann"}},
		{"refused by the vendor", func(s *evidencetest.Story) {
			for n := 3; n >= 2; n-- {
				s.Drop(s.Step("file.moved", n))
			}
			s.Drop(s.Step("file.transferred", 0))
			s.Step("file.moved", 1).Event.Actor = "ann"
			moved(1, func(b *audit.FileMoved) { b.By, b.To = "ann", "refused" })(s)
		}, []string{"who is nobody of the plant"}},
		{"held twice", func(s *evidencetest.Story) {
			held := s.Step("file.held", 0)
			behind(s, held, 4100, "ann", held.Event.Body, "F-1", "file/F-1")
		}, []string{"F-1 came before"}},
		{"sent by another hand", func(s *evidencetest.Story) { s.Step("file.held", 0).Event.Actor = "otto" }, []string{"sent by ann in a session of ann"}},
		{"sent by somebody else than came in", func(s *evidencetest.Story) {
			s.Step("file.held", 0).Event.Actor = "otto"
			change(s.Step("file.held", 0), func(b *audit.FileHeld) { b.Person = "otto" })
		}, []string{"sent by otto in a session of ann"}},
		{"sent when its channel was closed", func(s *evidencetest.Story) {
			closed := s.Step("channel.closed", 0)
			s.Drop(closed)
			s.Steps = append(s.Steps, closed)
			s.Insert(s.Step("firstbyte", 0)).Wall = evidencetest.At(4099)
		}, []string{"(file.held F-1): channel 0 is not open", "*"}},
		{"sent in another window", held(func(b *audit.FileHeld) { b.Window = "W-9" }), []string{"(file.held F-1): channel 0 is maint on filler-plc in W-1", "*"}},
		{"sent to another machine", held(func(b *audit.FileHeld) { b.Asset = "capper-plc" }), []string{"(file.held F-1): channel 0 is maint on filler-plc in W-1", "*"}},
		{"sent to another account", held(func(b *audit.FileHeld) { b.Account = "viewer" }), []string{"(file.held F-1): channel 0 is maint on filler-plc in W-1", "*"}},
		{"taken out without the right to", held(func(b *audit.FileHeld) { b.Direction = "out" }), []string{"(file.held F-1): channel 0 is maint on filler-plc in W-1", "*"}},
		{"one that there is not", moved(1, func(b *audit.FileMoved) { b.File = "F-9" }), []string{"the log does not know F-9", "*"}},
		{"let through in another window", moved(1, func(b *audit.FileMoved) { b.Window = "W-9" }), []string{"it is about other bytes, or another window", "*"}},
		{"looked at by a person", func(s *evidencetest.Story) {
			s.Step("file.moved", 0).Event.Actor = "mia"
			moved(0, func(b *audit.FileMoved) { b.By = "mia" })(s)
		}, []string{"type and scanner say"}},
		{"nothing looked at what it is", moved(0, func(b *audit.FileMoved) { b.Kind = "" }), []string{"type and scanner say"}},
		{"brought when its window was over", func(s *evidencetest.Story) {
			s.Move(4105, "mia", "cut", evidencetest.At(4105))
			s.Insert(s.Step("file.moved", 1))
		}, []string{"(file.moved F-1): W-1 was cut", "*"}},
		{"a part of it", passed(func(b *audit.FileTransferred) { b.Whole = false }), []string{"delivered other bytes"}},
		{"of another length", passed(func(b *audit.FileTransferred) { b.Bytes = 7 }), []string{"delivered other bytes"}},
		{"brought by Penstock itself", errand(nil), nil},
		{"brought before it was let through", func(s *evidencetest.Story) {
			errand(nil)(s)
			released := s.Step("file.moved", 1)
			s.Drop(released)
			s.Steps = append(s.Steps, released)
			s.Insert(s.Step("channel.opened", 1))
		}, []string{"F-1 was looked, and nobody let it through"}},
		{"brought for somebody else", errand(func(b *audit.SessionStarted) { b.Person, b.Firm = "mia", "fjord" }), []string{"F-1 is of ann in W-1", "*"}},
		{"brought in another window", errand(func(b *audit.SessionStarted) { b.Windows = []string{"W-9"} }), []string{"F-1 is of ann in W-1", "*"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.New(plant)
			sent(s)
			row.do(s)
			_, wrong, _ := walk(s)
			match(t, wrong, row.want)
		})
	}
}

// taken adds a file that ann took out in her own channel, fetched, looked at and let out before.
func taken(s *evidencetest.Story) {
	last := s.Step("firstbyte", 0)
	sum := audit.HashOf([]byte("a log"))
	add := func(second int, by string, body audit.Body, subject string, rows ...string) {
		step := s.Add(second, by, body, subject, rows...)
		s.Insert(last)
		last = step
	}
	move := func(second int, by string, m audit.FileMoved) {
		m.File, m.Window, m.By, m.SHA256, m.At = "F-1", "W-1", by, sum, evidencetest.At(second)
		add(second, by, m, "F-1", "file/F-1")
	}
	add(4100, "ann", audit.FileHeld{File: "F-1", Direction: "out", Window: "W-1", Session: "S-1", Person: "ann", Asset: "filler-plc", Account: "maint", Path: "/out/log", Bytes: 5, SHA256: sum, At: evidencetest.At(4100)}, "F-1", "file/F-1")
	move(4101, "penstock", audit.FileMoved{To: "looked", Kind: "text", Scan: "clean"})
	move(4110, "mia", audit.FileMoved{To: "released"})
	move(4112, "penstock", audit.FileMoved{To: "delivering", Session: "S-1"})
	part := audit.FileTransferred{Session: "S-1", Window: "W-1", Asset: "filler-plc", Account: "maint", By: "sftp", Direction: "out", Path: "/out/log", Offset: 2, Bytes: 3, SHA256: audit.HashOf([]byte("log")), Hashed: "content", File: "F-1"}
	add(4113, "ann", part, "S-1")
	part.Offset, part.Bytes, part.SHA256, part.Whole = 0, 5, sum, true
	add(4114, "ann", part, "S-1")
	move(4115, "penstock", audit.FileMoved{To: "delivered", Session: "S-1"})
}

// Whatever is altered about a file that was taken out is found.
func TestWalkFilesTakenOut(t *testing.T) {
	const maint = "maint: {rights: [look, load], enforced: nobody}"
	text := strings.Replace(evidencetest.PlantText(), maint, "maint: {rights: [look, copy, load], enforced: nobody, files: {out: {quarantine: true}}}", 1)
	plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if problems != nil || text == evidencetest.PlantText() {
		t.Fatal(problems)
	}
	passed := func(n int, do func(*audit.FileTransferred)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("file.transferred", n), do) }
	}
	moved := func(n int, do func(*audit.FileMoved)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { change(s.Step("file.moved", n), do) }
	}
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  []string
	}{
		{"as it was", func(*evidencetest.Story) {}, nil},
		{"past the quarantine", passed(1, func(b *audit.FileTransferred) { b.File = "" }), []string{"went out past the quarantine"}},
		{"other bytes than were let out", passed(1, func(b *audit.FileTransferred) { b.SHA256 = audit.HashOf(nil) }), []string{"other bytes were taken out"}},
		{"more than it has", passed(0, func(b *audit.FileTransferred) { b.Bytes = 4 }), []string{"more was taken out"}},
		{"as a file that goes in", passed(1, func(b *audit.FileTransferred) { b.Direction = "in" }), []string{"told as a file that is taken out"}},
		{"by the name of another", passed(1, func(b *audit.FileTransferred) { b.File = "F-2" }), []string{"F-2 was let out to nobody"}},
		{"let out to nobody", func(s *evidencetest.Story) { s.Drop(s.Step("file.moved", 2)) },
			[]string{"F-1 was let out to nobody", "F-1 was let out to nobody", "it was released, and becomes delivered", "*"}},
		{"let out by nobody", func(s *evidencetest.Story) {
			s.Step("file.moved", 1).Event.Actor = "penstock"
			moved(1, func(b *audit.FileMoved) { b.By = "penstock" })(s)
		}, []string{"nobody let it out"}},
		{"let out by the vendor", moved(1, func(b *audit.FileMoved) { b.By = "ann" }), []string{"mia did it, and the leaf says ann", "who may not open W-1"}},
		{"in another channel", moved(2, func(b *audit.FileMoved) { b.Channel = 7 }), []string{"channel 7 is not open", "F-1 was let out to nobody", "F-1 was let out to nobody"}},
		{"of another length than was let out", passed(1, func(b *audit.FileTransferred) { b.Bytes = 6 }), []string{"other bytes were taken out"}},
		{"sideways", func(s *evidencetest.Story) {
			change(s.Step("file.held", 0), func(b *audit.FileHeld) { b.Direction = "up" })
		}, []string{"it goes up", "*"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.New(plant, "look", "copy", "load")
			taken(s)
			row.do(s)
			_, wrong, _ := walk(s)
			match(t, wrong, row.want)
		})
	}
}

// A request's hashes stand sorted in its text, each once, and not too many.
func TestFileHashesOfARequest(t *testing.T) {
	s := evidencetest.New(evidencetest.Plant())
	a, b := audit.HashOf([]byte("a")), audit.HashOf([]byte("b"))
	if a.String() > b.String() {
		a, b = b, a
	}
	for _, c := range []struct {
		all []audit.Hash
		ok  bool
	}{{nil, true}, {[]audit.Hash{a, b}, true}, {[]audit.Hash{b, a}, false}, {[]audit.Hash{a, a}, false}, {[]audit.Hash{{}}, false}, {make([]audit.Hash, 40), false}} {
		r := s.Request
		r.FileHashes = c.all
		text, err := audit.Canonical(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.ParseRequest(text); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.all, err)
		}
	}
}
