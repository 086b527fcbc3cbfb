package evidence_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/approvals/evidence"
	. "penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

func TestSignedNightHolds(t *testing.T) {
	windows, wrong, notes := walk(NewSigned())
	if windows != 1 || len(wrong) > 0 {
		t.Errorf("%d windows, %q", windows, wrong)
	}
	if !slices.ContainsFunc(notes, func(n string) bool {
		return strings.Contains(n, "W-1 is agreed by signatures of the people's own keys")
	}) {
		t.Errorf("the notes do not say what it rests on: %q", notes)
	}
}

// resign gives a person's answer anew, changed and then signed.
func resign(s *Story, step int, who string, sign Signer, do func(*evidence.Answer)) {
	a := s.Answers[who]
	a.Proof = evidence.Proof{}
	if do != nil {
		do(&a)
	}
	Signed(sign)(&a)
	put(s, step, a)
}

// put writes an answer as it is in place of another.
func put(s *Story, n int, a evidence.Answer) {
	change(s.Step("answer.given", n), func(b *audit.AnswerGiven) { b.Document = s.PutJSON(a) })
}

// Whoever has every file of the broker may write what they like into the log
// and sign the log with its key: each row is such a log, and each is found.
func TestForgedAnswersAreFound(t *testing.T) {
	for _, row := range []struct {
		story string
		do    func(*Story)
		want  string
	}{
		{"a code where the rules ask for a key", func(s *Story) {
			a := s.Answers["ines"]
			a.Proof = evidence.Proof{Kind: evidence.ProofTOTP, Data: "59"}
			put(s, 1, a)
		}, "rests on a code, the server's word"},
		{"the limits were taken out after signing", func(s *Story) {
			a := s.Answers["olaf"]
			a.Limits = evidence.Limits{}
			put(s, 0, a)
		}, "its SSH signature does not fit this text"},
		{"the text was altered after the passkey", func(s *Story) {
			a := s.Answers["ines"]
			a.Limits.Minutes = 30
			put(s, 1, a)
		}, "what was signed is not this text"},
		{"one person's proof under another's answer", func(s *Story) {
			a := s.Answers["ines"]
			a.Proof = s.Answers["olaf"].Proof
			put(s, 1, a)
		}, "ines had no such key"},
		{"two people's proofs are swapped", func(s *Story) {
			a, b := s.Answers["olaf"], s.Answers["ines"]
			a.Proof, b.Proof = b.Proof, a.Proof
			put(s, 0, a)
			put(s, 1, b)
		}, "olaf had no such key"},
		{"a passkey that was never enrolled", func(s *Story) { resign(s, 1, "ines", NewPasskey("mallory").Sign, nil) }, "ines had no such key"},
		{"signed with another key than it names", func(s *Story) {
			a := s.Answers["ines"]
			a.Proof = evidence.Proof{}
			text, _ := a.Unsigned()
			a.Proof = NewPasskey("mallory").Sign(evidence.AnswerNamespace, text)
			a.Proof.Key = NewPasskey("ines").ID()
			put(s, 1, a)
		}, "its signature is not by the passkey"},
		{"signed at another origin", func(s *Story) {
			p := NewPasskey("ines")
			p.Origin = "https://penstock.kiel.example.evil.test:8443"
			resign(s, 1, "ines", p.Sign, nil)
		}, "it was signed at"},
		{"signed at the same name and another port", func(s *Story) {
			p := NewPasskey("ines")
			p.Origin = "https://penstock.kiel.example:9443"
			resign(s, 1, "ines", p.Sign, nil)
		}, "it was signed at"},
		{"a credential of another site", func(s *Story) {
			p := NewPasskey("ines")
			p.Site = "evil.test"
			resign(s, 1, "ines", p.Sign, nil)
		}, "its passkey is another site's"},
		{"without user verification", func(s *Story) {
			p := NewPasskey("ines")
			p.Flags = 0x01
			resign(s, 1, "ines", p.Sign, nil)
		}, "did not check who touched it"},
		{"without a touch", func(s *Story) {
			p := NewPasskey("ines")
			p.Flags = 0x04
			resign(s, 1, "ines", p.Sign, nil)
		}, "nobody touched"},
		{"an enrolment in place of an assertion", func(s *Story) {
			p := NewPasskey("ines")
			p.Type = "webauthn.create"
			resign(s, 1, "ines", p.Sign, nil)
		}, "an answer's is webauthn.get"},
		{"a signature that was made to vouch", func(s *Story) {
			a := s.Answers["olaf"]
			a.Proof = evidence.Proof{}
			text, _ := a.Unsigned()
			a.Proof = SSHSign("olaf", evidence.VouchNamespace, text)
			put(s, 0, a)
		}, "its SSH signature is for"},
		{"an answer to an older revision", func(s *Story) {
			resign(s, 1, "ines", NewPasskey("ines").Sign, func(a *evidence.Answer) { a.Request = audit.HashOf([]byte("revision 0")) })
		}, "answers another revision"},
		{"an answer signed an hour before it was given", func(s *Story) {
			resign(s, 1, "ines", NewPasskey("ines").Sign, func(a *evidence.Answer) { a.At = At(300 - 3600) })
		}, "an old answer was kept and sent late"},
		{"one answer twice", func(s *Story) {
			again := *s.Step("answer.given", 1)
			again.Wall = At(299)
			s.Steps = append(s.Steps, &again)
			s.Counts = append(s.Counts, s.Insert(s.Step("answer.given", 0)))
		}, "its nonce was used"},
		{"the passkey was taken away before", func(s *Story) {
			s.Add(290, "otto", audit.KeyRemoved{Person: "ines", Key: NewPasskey("ines").ID(), By: "otto"}, "ines", "person/ines")
			s.Insert(s.Step("answer.given", 0))
		}, "ines had no such key"},
		{"the passkey was enrolled, and nobody vouched", func(s *Story) { s.Drop(s.Step("key.vouched", 0)) }, "ines had no such key"},
		{"the passkey was vouched for after the answer", func(s *Story) {
			v := s.Step("key.vouched", 0)
			s.Drop(v)
			s.Steps = append(s.Steps, v)
			s.Insert(s.Step("answer.given", 1))
		}, "ines had no such key"},
		{"one passkey for two people", func(s *Story) {
			s.Enrol(70, "otto", NewPasskey("ines"))
			s.Insert(s.Step("key.vouched", 0))
		}, "is ines's already"},
		{"a passkey that was taken away comes back", func(s *Story) {
			s.Add(61, "otto", audit.KeyRemoved{Person: "ines", Key: NewPasskey("ines").ID(), By: "otto"}, "ines", "person/ines")
			first := s.Insert(s.Step("key.vouched", 0))
			s.Enrol(62, "ines", NewPasskey("ines"))
			s.Insert(first)
		}, "was taken away, and does not come back"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := NewSigned()
			row.do(s)
			_, wrong, _ := walk(s)
			if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, row.want) }) {
				t.Errorf("no finding says %q: %q", row.want, wrong)
			}
		})
	}
}

// Only somebody else of the plant, whose own key counts, makes a passkey count;
// where that does not hold, the answer that rests on it is named, too.
func TestForgedVouchesAreFound(t *testing.T) {
	ines := NewPasskey("ines")
	vouched := func(do func(*Story)) func(*Story) {
		return func(s *Story) {
			old := s.Step("key.vouched", 0)
			do(s)
			s.Insert(old)
			s.Drop(old)
		}
	}
	for _, row := range []struct {
		story string
		do    func(*Story)
		want  string
	}{
		{"by the server's word alone", vouched(func(s *Story) {
			s.Vouch(60, "otto", "ines", ines, func(string, []byte) evidence.Proof { return evidence.Proof{} }, nil)
		}), "otto had no such key"},
		{"by a key that nobody enrolled", vouched(func(s *Story) { s.Vouch(60, "otto", "ines", ines, By("mallory"), nil) }), "otto had no such key"},
		{"by another's key", vouched(func(s *Story) { s.Vouch(60, "otto", "ines", ines, By("mia"), nil) }), "otto had no such key"},
		{"by the passkey itself", vouched(func(s *Story) { s.Vouch(60, "otto", "ines", ines, ines.Sign, nil) }), "otto had no such key"},
		{"by themself", vouched(func(s *Story) { s.Vouch(60, "ines", "ines", ines, By("ines"), nil) }), "nobody vouches for themself"},
		{"by the vendor", vouched(func(s *Story) { s.Vouch(60, "ann", "ines", ines, By("ann"), nil) }), "nobody of the plant"},
		{"for another key", vouched(func(s *Story) {
			s.Vouch(60, "otto", "ines", ines, By("otto"), func(v *evidence.Vouch) { v.Key, v.Public = NewPasskey("x").ID(), NewPasskey("x").Public() })
		}), "differ"},
		{"an hour ago", vouched(func(s *Story) {
			s.Vouch(60, "otto", "ines", ines, By("otto"), func(v *evidence.Vouch) { v.At = At(60 - 3600) })
		}), "and the log has it at"},
		{"by a passkey that nobody vouched for", vouched(func(s *Story) {
			s.Enrol(55, "otto", NewPasskey("otto"))
			s.Insert(s.Step("key.enrolled", 4))
			s.Vouch(60, "otto", "ines", ines, NewPasskey("otto").Sign, nil)
		}), "otto had no such key"},
		{"by a key that was taken away", vouched(func(s *Story) {
			s.Add(58, "mia", audit.KeyRemoved{Person: "otto", Key: Fingerprint(Key("otto")), By: "mia"}, "otto", "person/otto")
			s.Insert(s.Step("key.enrolled", 4))
			s.Vouch(60, "otto", "ines", ines, By("otto"), nil)
		}), "otto had no such key"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := NewSigned()
			row.do(s)
			_, wrong, _ := walk(s)
			for _, want := range []string{row.want, "ines"} {
				if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, want) }) {
					t.Errorf("no finding says %q: %q", want, wrong)
				}
			}
			if !slices.ContainsFunc(wrong, func(w string) bool {
				return strings.Contains(w, "window.agreed") && strings.Contains(w, "does not count")
			}) {
				t.Errorf("the answer that rests on it is not named: %q", wrong)
			}
		})
	}
}

// An SSH key that came by an invitation signs answers only once somebody has
// vouched for it: its confirmation is the server's word.
func TestJoinedKeySignsOnlyWhenVouchedFor(t *testing.T) {
	tell := func(vouch bool) *Story {
		s := NewSigned()
		code := audit.HashOf([]byte("paul"))
		after := s.Step("key.vouched", 0)
		add := func(step *Step) {
			if s.Steps[len(s.Steps)-1] != step {
				t.Fatal("not the newest")
			}
			s.Insert(after)
			after = step
		}
		add(s.Add(70, "ines", audit.PersonInvited{Person: "paul", Firm: "fjord", Name: "Paul", Roles: []string{"line-1-owner"}, By: "ines", Code: code, Until: At(86400)}, "paul", "invitation/"+code.String()[7:]))
		pub := Key("paul")
		add(s.Add(71, "paul", audit.PersonJoined{Person: "paul", Code: code, Key: Fingerprint(pub), Public: pub}, "paul", "person/paul", "invitation/"+code.String()[7:], "key/"+Fingerprint(pub)))
		add(s.Add(72, "otto", audit.PersonConfirmed{Person: "paul", Key: Fingerprint(pub), By: "otto"}, "paul", "person/paul", "key/"+Fingerprint(pub)))
		if vouch {
			v := evidence.Vouch{V: 1, Person: "paul", Kind: evidence.KeySSH, Key: Fingerprint(pub), Public: pub, By: "ines", At: At(73), Nonce: Nonce(73)}
			text, err := v.Unsigned()
			if err != nil {
				t.Fatal(err)
			}
			v.Proof = NewPasskey("ines").Sign(evidence.VouchNamespace, text) // a chain of two
			add(s.Add(73, "ines", audit.KeyVouched{Person: "paul", Key: v.Key, By: "ines", Document: s.PutJSON(v)}, "paul", "person/paul"))
		}
		step := s.Step("answer.given", 0)
		a := s.Answers["olaf"]
		a.Person, a.Proof = "paul", evidence.Proof{}
		Signed(By("paul"))(&a)
		step.Event.Actor = "paul"
		change(step, func(b *audit.AnswerGiven) { b.Person, b.Document = "paul", s.PutJSON(a) })
		return s
	}
	if _, wrong, _ := walk(tell(true)); len(wrong) > 0 {
		t.Errorf("vouched for: %q", wrong)
	}
	_, wrong, _ := walk(tell(false))
	if !slices.ContainsFunc(wrong, func(w string) bool { return strings.Contains(w, "nobody with a key that counts has vouched for it") }) {
		t.Errorf("not vouched for: %q", wrong)
	}
}

// The broker's own view of the keys is Walk's.
func TestKeyringKnowsWhoseKeysCountedWhen(t *testing.T) {
	s := NewSigned()
	gone := s.Add(16000, "otto", audit.KeyRemoved{Person: "ines", Key: NewPasskey("ines").ID(), By: "otto"}, "ines", "person/ines")
	r := evidence.NewKeyring(documents(s.Docs))
	for _, leaf := range s.Leaves() {
		r.Leaf(t.Context(), leaf)
	}
	has := func(step *Step) bool {
		keys := r.At("ines", audit.Place{Node: "a", Index: audit.Index(slices.Index(s.Steps, step))})
		return slices.ContainsFunc(keys, func(k evidence.Key) bool { return k.ID == NewPasskey("ines").ID() && k.Broken == "" })
	}
	if has(s.Step("key.vouched", 0)) || !has(s.Step("answer.given", 1)) || !has(s.Step("node.stopped", 0)) || has(gone) {
		t.Error("the passkey does not count from just after the word for it until it was taken away")
	}
}

// Stock ssh-keygen makes the proof, and its flags are read where it has any.
func TestRealSSHKeygenSigns(t *testing.T) {
	dir := t.TempDir()
	text := []byte(`{"at":"2026-11-21T21:00:00Z"}`)
	file := filepath.Join(dir, "answer")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range [][]string{{"ed25519"}, {"ecdsa", "-b", "256"}, {"ecdsa", "-b", "521"}, {"rsa", "-b", "3072"}} {
		t.Run(strings.Join(kind, ""), func(t *testing.T) {
			key := filepath.Join(dir, strings.Join(kind, ""))
			run(t, append([]string{"-q", "-N", "", "-C", "", "-f", key, "-t"}, kind...)...)
			os.Remove(file + ".sig")
			run(t, "-q", "-Y", "sign", "-n", evidence.AnswerNamespace, "-f", key, file)
			pub, sig := read(t, key+".pub"), read(t, file+".sig")
			p, err := evidence.SSHProof(sig)
			if err != nil {
				t.Fatal(err)
			}
			id, public, err := evidence.PublicKey(evidence.KeySSH, strings.TrimSpace(string(pub)))
			if err != nil {
				t.Fatal(err)
			}
			k := evidence.Key{Kind: evidence.KeySSH, ID: id, Public: public}
			if err := evidence.CheckProof(p, k, evidence.AnswerNamespace, text, ""); err != nil {
				t.Error(err)
			}
			if evidence.CheckProof(p, k, evidence.VouchNamespace, text, "") == nil || evidence.CheckProof(p, k, evidence.AnswerNamespace, append(text, ' '), "") == nil {
				t.Error("it holds for something else, too")
			}
			raw, _ := base64.StdEncoding.DecodeString(p.Data)
			for i := range raw {
				bad := slices.Clone(raw)
				bad[i] ^= 1
				p := p
				p.Data = base64.StdEncoding.EncodeToString(bad)
				if evidence.CheckProof(p, k, evidence.AnswerNamespace, text, "") == nil {
					t.Fatalf("with byte %d flipped it still holds", i)
				}
			}
		})
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What comes from outside is refused or read, whatever it is.
func FuzzProof(f *testing.F) {
	text := []byte("text")
	pass, ssh := NewPasskey("ines"), SSHSign("olaf", evidence.AnswerNamespace, text)
	f.Add(evidence.ProofWebAuthn, pass.Sign(evidence.AnswerNamespace, text).Data)
	f.Add(evidence.ProofSSHSIG, ssh.Data)
	f.Add(evidence.ProofWebAuthn, "..")
	f.Add(evidence.ProofWebAuthn, Assertion(make([]byte, 37), []byte(`{"type":"webauthn.get","challenge":null}`), nil))
	f.Add(evidence.ProofSSHSIG, base64.StdEncoding.EncodeToString([]byte("SSHSIG\x00\x00\x00\x01")))
	_, public, err := evidence.PublicKey(evidence.KeyPasskey, pass.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, data string) {
		keys := []evidence.Key{{Kind: evidence.KeyPasskey, ID: pass.ID(), Public: public}, {Kind: evidence.KeySSH, ID: ssh.Key, Public: []byte(Key("olaf"))}}
		for _, k := range keys {
			p := evidence.Proof{Kind: kind, Key: k.ID, Data: data}
			err := evidence.CheckProof(p, k, evidence.AnswerNamespace, text, Origin)
			if err == nil && evidence.CheckProof(p, k, evidence.AnswerNamespace, []byte("other"), Origin) == nil {
				t.Error("one proof holds for two texts")
			}
		}
		_, _ = evidence.SSHProof([]byte(data))
		_, _, _ = evidence.PublicKey(evidence.KeyPasskey, data)
		_, _ = evidence.ParseVouch([]byte(data))
	})
}
