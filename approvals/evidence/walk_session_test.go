package evidence_test

import (
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

func TestWalkCertificates(t *testing.T) {
	in := func(s *evidencetest.Story, do func(*audit.CertIssued)) { change(s.Step("cert.issued", 0), do) }
	out := func(s *evidencetest.Story, do func(*audit.CertIssued)) { change(s.Step("cert.issued", 1), do) }
	findsEach(t, []alteration{
		{"by an authority that there is not", func(s *evidencetest.Story) { in(s, func(b *audit.CertIssued) { b.CA = "x" }) }, `"x" is no certificate authority`},
		{"one serial twice", func(s *evidencetest.Story) {
			behind(s, s.Step("cert.issued", 0), 4011, "penstock", s.Step("cert.issued", 0).Event.Body, "ann")
		}, "serial 77 was issued before"},
		{"for no window", func(s *evidencetest.Story) { in(s, func(b *audit.CertIssued) { b.Windows = nil }) }, "it names no window"},
		{"for longer than an hour", func(s *evidencetest.Story) {
			in(s, func(b *audit.CertIssued) { b.Before = at(4010 + 3700) })
		}, "for more than 1h0m0s"},
		{"to a target for two accounts", func(s *evidencetest.Story) {
			out(s, func(b *audit.CertIssued) { b.Names = append(b.Names, "root@filler-plc.kiel") })
		}, "it names 2 principals"},
	})
}

func TestWalkSessions(t *testing.T) {
	started := func(s *evidencetest.Story, do func(*audit.SessionStarted)) { change(s.Step("session.started", 0), do) }
	file := func(s *evidencetest.Story, f audit.FileTransferred) {
		f.Session, f.By, f.Hashed, f.SHA256 = "S-1", "sftp", "content", audit.HashOf(nil)
		behind(s, s.Step("firstbyte", 0), 4024, "penstock", f, "S-1")
	}
	findsEach(t, []alteration{
		{"the first byte of another window", func(s *evidencetest.Story) {
			change(s.Step("firstbyte", 0), func(b *audit.FirstByte) { b.Window = "W-9" })
		}, "session S-1 does not name window W-9"},
		{"started twice", func(s *evidencetest.Story) {
			behind(s, s.Step("session.started", 0), 4020, "penstock", s.Step("session.started", 0).Event.Body, "S-1")
		}, "S-1 is running already"},
		{"by a certificate that was over", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Before = at(3895) })
		}, "its certificate was good from"},
		{"before its certificate was good", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.After = at(4100) })
		}, "its certificate was good from"},
		{"for no window", func(s *evidencetest.Story) { started(s, func(b *audit.SessionStarted) { b.Windows = nil }) }, "it names no window"},
		{"for a window that its certificate does not name", func(s *evidencetest.Story) {
			started(s, func(b *audit.SessionStarted) { b.Windows = append(b.Windows, "W-9") })
		}, "its certificate does not name W-9"},
		{"one channel twice", func(s *evidencetest.Story) {
			behind(s, s.Step("channel.opened", 0), 4021, "penstock", s.Step("channel.opened", 0).Event.Body, "S-1")
		}, "channel 0 was opened before"},
		{"a channel of another window", func(s *evidencetest.Story) {
			started(s, func(b *audit.SessionStarted) { b.Windows = nil })
		}, "session S-1 does not name window W-1"},
		{"a file in a channel that is not there", func(s *evidencetest.Story) {
			file(s, audit.FileTransferred{Channel: 7, Window: "W-1", Asset: "filler-plc", Account: "maint", Direction: "in", Bytes: 1})
		}, "channel 7 of S-1 is not open"},
		{"a file to another machine", func(s *evidencetest.Story) {
			file(s, audit.FileTransferred{Window: "W-1", Asset: "capper-plc", Account: "maint", Direction: "in", Bytes: 1})
		}, "and the file maint on capper-plc in W-1"},
		{"a file taken out without the right", func(s *evidencetest.Story) {
			file(s, audit.FileTransferred{Window: "W-1", Asset: "filler-plc", Account: "maint", Direction: "out", Bytes: 1})
		}, "a file went out without the right to copy"},
		{"never closed, though it came late", func(s *evidencetest.Story) {
			s.Move(4020, "mia", "cut", at(0))
			s.Insert(s.Step("session.started", 0))
			s.Drop(s.Step("channel.closed", 0))
		}, "ended without closing channel 0"},
	})
}

func TestWalkSecrets(t *testing.T) {
	const row, id = "secret/filler-plc/maint", "filler-plc/maint"
	with := func(do func(*evidencetest.Story)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) { bySecret(s); do(s) }
	}
	findsEach(t, []alteration{
		{"sealed without a document", with(func(s *evidencetest.Story) {
			change(s.Step("secret.sealed", 0), func(b *audit.SecretSealed) { b.Document = audit.Hash{} })
		}), "it names no document"},
		{"rotated by a person", with(func(s *evidencetest.Story) { s.Step("secret.rotating", 0).Event.Actor = "ines" }), "rotated by ines, and only the broker does"},
		{"rotated where the plant file says nothing of it", with(func(s *evidencetest.Story) {
			plant := s.Put(evidencetest.Plant().Document())
			behind(s, moved(s, "ended"), 4*3600-60, "penstock", audit.ConfigChanged{Kind: "plant", Document: plant}, "plant")
		}), "the plant file does not say how maint on filler-plc is rotated"},
		{"kept, and not being rotated", with(func(s *evidencetest.Story) {
			sealed := s.Step("secret.sealed", 0).Event.Body.(audit.SecretSealed)
			behind(s, s.Step("secret.sealed", 0), 3992, "penstock", audit.SecretKept{Asset: "filler-plc", Account: "maint", Document: sealed.Document, At: at(3992)}, id, row)
		}), "was not being rotated"},
		{"shown, and not why", with(func(s *evidencetest.Story) {
			behind(s, s.Step("firstbyte", 0), 4024, "ines", audit.SecretShown{Asset: "filler-plc", Account: "maint", By: "ines"}, id, row)
		}), "it does not say why"},
		{"used in a channel that is not open", with(func(s *evidencetest.Story) {
			change(s.Step("secret.used", 0), func(b *audit.SecretUsed) { b.Channel = 7 })
		}), "channel 7 of S-1 is not open"},
		{"an errand in somebody's window", with(func(s *evidencetest.Story) {
			change(s.Step("secret.used", 0), func(b *audit.SecretUsed) { b.Errand = "check" })
		}), "an errand of the broker is in nobody's window"},
	})
}
