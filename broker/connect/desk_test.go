package connect

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// Each word about a window is heard until one is none.
func TestWhatTheDeskSays(t *testing.T) {
	for _, row := range []struct {
		story, text string
		heard       string // the windows and how they stand
		want        string // what the error says
	}{
		{"it runs and is over", `{"window":"W-1","state":"open"}` + "\n" + `{"window":"W-1","state":"ended"}`, "W-1 open W-1 ended", "EOF"},
		{"a no", `{"window":"W-1","state":"open"}{"say":"That window is not yours.\u001b[2J"}`, "W-1 open", "That window is not yours.?[2J"},
		{"a window of no name", `{"state":"open"}`, "", "cannot be read"},
		{"a name to be pasted", `{"window":"W-1","targets":[{"asset":"a;id"}]}`, "", "no name of a plant's"},
		{"the line breaks in a word", `{"window":"W-1","state":`, "", "unexpected EOF"},
		{"nothing", ``, "", "EOF"},
		{"no JSON", "Welcome to Ubuntu\n", "", "invalid character"},
	} {
		t.Run(row.story, func(t *testing.T) {
			var heard []string
			err := hear(strings.NewReader(row.text), func(w window) { heard = append(heard, w.Window, w.State) })
			if got := strings.Join(heard, " "); got != row.heard || err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// Whatever a desk says, what is heard has names that are safe to paste, and what
// a person reads of it moves no cursor.
func FuzzDesk(f *testing.F) {
	f.Add([]byte(`{"window":"W-1","state":"open","says":"open now","left_seconds":60,"targets":[{"asset":"filler-plc","port":"ssh","host":"filler-plc.kiel","address":"10.20.1.11","tcp":22}]}` +
		"\n" + `{"window":"W-1","state":"cut","says":"cut by mia"}`))
	f.Add([]byte(`{"window":"W-1","left_seconds":-9223372036854775808,"targets":[null,{"host":"$(id)"}]}`))
	f.Add([]byte(`{"say":"no\u009b2J\u202e\n","Say":"NO"}`))
	f.Add([]byte("{\"window\":\"W-1\\u0000\"}[\x1b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var texts []string
		err := hear(bytes.NewReader(b), func(w window) {
			texts = append(texts, clean(w.Says))
			names := []string{w.Window}
			for _, to := range w.Targets {
				names = append(names, to.Asset, to.Port, to.Account, to.Host, to.Address)
			}
			for _, n := range names {
				if strings.ContainsAny(n, ";|&$`'\"<>()*?!{}\\ \n\r\x1b") {
					t.Fatalf("%q would be pasted", n)
				}
			}
		})
		var said *Stop
		if errors.As(err, &said) {
			texts = append(texts, said.Say)
		} else if err == nil {
			t.Fatal("it ended, and nothing says how")
		}
		for _, s := range append(texts, refusal(b)) {
			if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
				t.Fatalf("%q reaches the terminal", s)
			}
		}
	})
}

// signer is a key of ours; another for each seed.
func signer(f testing.TB, seed string) ssh.Signer {
	f.Helper()
	sum := sha256.Sum256([]byte(seed))
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(sum[:]))
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// What cert@ prints is one person's certificate for one of our keys, or refused.
func FuzzCertificate(f *testing.F) {
	ours := []identity{{Signer: signer(f, "agent")}, {Signer: signer(f, "file")}}
	line := func(key ssh.Signer, kind uint32, persons ...string) []byte {
		c := &ssh.Certificate{Key: key.PublicKey(), CertType: kind, KeyId: "w=W-1;p=ann;c=krall", ValidPrincipals: persons, ValidBefore: ssh.CertTimeInfinity}
		if err := c.SignCert(bytes.NewReader(make([]byte, 64)), signer(f, "in")); err != nil {
			f.Fatal(err)
		}
		return ssh.MarshalAuthorizedKey(c)
	}
	good := line(ours[1], ssh.UserCert, "ann")
	if c, err := parseCertificate(good, ours); err != nil || c.person() != "ann" || !c.covers([]string{"W-1"}) {
		f.Fatalf("%+v, %v", c, err)
	}
	for _, bad := range [][]byte{line(signer(f, "another"), ssh.UserCert, "ann"), line(ours[0], ssh.HostCert, "ann"), line(ours[0], ssh.UserCert, "ann", "bob"), line(ours[0], ssh.UserCert),
		ssh.MarshalAuthorizedKey(ours[0].PublicKey()), good[:len(good)/2], []byte("Penstock: not now\n")} {
		if _, err := parseCertificate(bad, ours); err == nil {
			f.Fatalf("%q is taken", bad)
		}
		f.Add(bad)
	}
	f.Add(good)
	f.Add(slices.Concat([]byte("# a word before\n"), good, good))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCertificate(b, ours)
		if err != nil {
			return
		}
		if len(c.ValidPrincipals) != 1 || c.CertType != ssh.UserCert || !bytes.Equal(c.Key.Marshal(), c.key.PublicKey().Marshal()) {
			t.Fatalf("%+v", c.Certificate)
		}
	})
}
