package dial_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker/dial"
	"penstock/broker/vault"
	"penstock/policy"
)

// secrets gives what a test put in, and keeps what it was asked.
type secrets struct {
	mu   sync.Mutex
	all  []vault.Secret
	err  error
	uses []vault.Use
}

func (s *secrets) Use(_ context.Context, u vault.Use) ([]vault.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uses = append(s.uses, u)
	return s.all, s.err
}

// asking is a target that lets in whoever answers as a test wants; it keeps all
// that it was told.
type asking struct {
	*target
	password string
	parting  string     // what it says, in a banner, to the right password, which it refuses
	rounds   [][]string // prompts of keyboard-interactive, a round each; nil: not offered
	echo     bool
	want     []string // answers, in order
	keys     []ssh.PublicKey
}

func listenAsking(t testing.TB, a *asking) *asking {
	a.target = listen(t, nil, func(g *target) {
		g.raw = func(c net.Conn) {
			config := &ssh.ServerConfig{MaxAuthTries: -1}
			config.AddHostKey(g.key)
			if a.password != "" {
				config.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
					g.try("password %s", p)
					if string(p) != a.password {
						return nil, errors.New("no")
					}
					if a.parting != "" {
						return nil, &ssh.BannerError{Err: errors.New("no"), Message: a.parting}
					}
					return nil, nil
				}
			}
			if a.rounds != nil {
				config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
					var got []string
					for _, prompts := range a.rounds {
						out, err := ask("", "", prompts, make1(len(prompts), a.echo))
						if err != nil {
							return nil, err
						}
						for _, o := range out {
							g.try("told %s", o)
						}
						got = append(got, out...)
					}
					if strings.Join(got, "|") != strings.Join(a.want, "|") {
						return nil, errors.New("no")
					}
					return nil, nil
				}
			}
			if a.keys != nil {
				config.PublicKeyCallback = func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
					g.try("key %s", ssh.FingerprintSHA256(k))
					for _, one := range a.keys {
						if string(one.Marshal()) == string(k.Marshal()) {
							return nil, nil
						}
					}
					return nil, errors.New("no")
				}
			}
			conn, chans, reqs, err := ssh.NewServerConn(c, config)
			if err != nil {
				return
			}
			defer conn.Close()
			go ssh.DiscardRequests(reqs)
			for n := range chans {
				_ = n.Reject(ssh.Prohibited, "nothing here")
			}
		}
	})
	return a
}

func make1(n int, v bool) []bool {
	all := make([]bool, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func privateKey(t testing.TB, key crypto.PrivateKey) (vault.Secret, ssh.PublicKey) {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), signer.PublicKey()
}

const twoPrompts = `login: password, prompts: [{asks: "(?i)password: ?", give: secret}, {asks: "User name:", give: account}, {asks: "Press ENTER.*", give: nothing}]`

func TestLoginWithASealedSecret(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edSecret, edPublic := privateKey(t, ed)
	old, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaSecret, rsaPublic := privateKey(t, old)
	for name, row := range map[string]struct {
		target  *asking
		account string // of the plant file
		secrets *secrets
		rule    string // "": it works
		why     string // in the refusal's text for the log
		told    []string
	}{
		"a password":                         {&asking{password: "s3cret"}, "login: password", &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "", "", nil},
		"while it is rotated, the newer":     {&asking{password: "newer"}, "login: password", &secrets{all: []vault.Secret{vault.Secret("newer"), vault.Secret("older")}}, "", "", nil},
		"while it is rotated, the older":     {&asking{password: "older"}, "login: password", &secrets{all: []vault.Secret{vault.Secret("newer"), vault.Secret("older")}}, "", "", nil},
		"a password that is wrong":           {&asking{password: "other"}, "login: password", &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-login", "unable to authenticate", nil},
		"nobody has sealed one":              {&asking{password: "s3cret"}, "login: password", &secrets{err: errors.New("none is kept")}, "no-secret", "none is kept", []string{}},
		"a key":                              {&asking{keys: []ssh.PublicKey{edPublic}}, "login: key", &secrets{all: []vault.Secret{edSecret}}, "", "", nil},
		"an RSA key, by SHA-2":               {&asking{keys: []ssh.PublicKey{rsaPublic}}, "login: key", &secrets{all: []vault.Secret{rsaSecret}}, "", "", nil},
		"a key that cannot be read":          {&asking{keys: []ssh.PublicKey{edPublic}}, "login: key", &secrets{all: []vault.Secret{vault.Secret("PRIVATE s3cret")}}, "target-handshake", "a sealed key cannot be read", []string{}},
		"prompts that the plant file names":  {&asking{rounds: [][]string{{"User name:"}, {"Password: "}, {"Press ENTER to go on"}}, want: []string{me(), "s3cret", ""}}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "", "", nil},
		"a prompt that it does not name":     {&asking{rounds: [][]string{{"Password: "}, {"Password of the domain: "}}, want: []string{"s3cret"}}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-prompt", `fits "Password of the domain: "`, []string{"told s3cret"}},
		"a prompt in a longer text":          {&asking{rounds: [][]string{{"Enter the root Password:"}}}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-prompt", "no prompt of the plant file fits", []string{}},
		"a prompt that would show it":        {&asking{rounds: [][]string{{"Password: "}}, echo: true}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-prompt", "it echoes", []string{}},
		"a prompt that is what it was told":  {&asking{rounds: [][]string{{"Password: "}, {"s3cret is no good: "}}}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-prompt", `fits "(its secret) is no good: "`, []string{"told s3cret"}},
		"a banner that is what it was told":  {&asking{password: "s3cret", parting: "s3cret"}, "login: password", &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-login", "unable to authenticate", nil},
		"rounds without an end":              {&asking{rounds: rounds(20, "Press ENTER")}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-prompt", "round 9", nil},
		"many prompts in one":                {&asking{rounds: [][]string{{"User name:", "User name:", "User name:", "User name:", "User name:", "User name:", "User name:", "User name:", "User name:"}}}, twoPrompts, &secrets{}, "target-prompt", "9 prompts", []string{}},
		"prompts where only a password is":   {&asking{rounds: [][]string{{"Password: "}}, want: []string{"s3cret"}}, "login: password", &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-login", "", []string{}},
		"a prompt with terminal commands":    {&asking{rounds: [][]string{{"\x1b]0;owned\a\n"}}}, twoPrompts, &secrets{}, "target-prompt", `fits`, []string{}},
		"a password where prompts are named": {&asking{password: "s3cret"}, twoPrompts, &secrets{all: []vault.Secret{vault.Secret("s3cret")}}, "target-login", "", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			g := listenAsking(t, row.target)
			s := staged(t, machine{at: g.at, pins: line(g.key.PublicKey()), maint: row.account}, machine{})
			s.dialer.Secrets = row.secrets
			conn, err := s.dialer.SSH(t.Context(), s.channel, myself())
			if conn != nil {
				conn.Close()
			}
			if row.rule == "" {
				if err != nil {
					t.Fatalf("%v; the machine got %q", err, g.tries())
				}
				if use := row.secrets.uses[0]; use != (vault.Use{Asset: "plc", Account: myself(), Window: "W-1", Session: "S-1", Channel: 0}) {
					t.Errorf("used as %+v", use)
				}
				return
			}
			s.channel.Close("", nil)
			notes := string(s.Recorded(t, s.session.ID(), 0, recording.Note))
			if strings.Contains(notes, "s3cret") || row.target.parting != "" && !strings.Contains(notes, "(its secret)") {
				t.Errorf("the recording has %q", notes)
			}
			r := refusedBy(t, err)
			if r.Rule != row.rule || !strings.Contains(r.Why, row.why) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.Why+r.Say, "s3cret") || strings.ContainsAny(r.Why+r.Say, "\x1b\a") {
				t.Errorf("it says too much: %+v", r)
			}
			if row.told != nil && strings.Join(g.tries(), "|") != strings.Join(row.told, "|") {
				t.Errorf("the machine got %q", g.tries())
			}
		})
	}
}

func rounds(n int, prompt string) (all [][]string) {
	for range n {
		all = append(all, []string{prompt})
	}
	return all
}

// A machine that shows another key than the pinned one is told no secret, and
// none is opened.
func TestAChangedHostKeyOpensNoSecret(t *testing.T) {
	g := listenAsking(t, &asking{password: "s3cret"})
	kept := &secrets{all: []vault.Secret{vault.Secret("s3cret")}}
	s := staged(t, machine{at: g.at, pins: line(newKey(t).PublicKey()), maint: "login: password"}, machine{})
	s.dialer.Secrets = kept
	if _, err := s.dialer.SSH(t.Context(), s.channel, myself()); refusedBy(t, err).Rule != "target-host-key" {
		t.Errorf("%v", err)
	}
	if len(kept.uses) != 0 || len(g.tries()) != 0 {
		t.Errorf("opened %v, told %v", kept.uses, g.tries())
	}
}

// Whatever a machine asks, the secret goes only to a prompt that the plant file
// names, whole and unechoed; and what is refused is told without control characters.
func FuzzPrompts(f *testing.F) {
	f.Add("Password: ", false, "User name:")
	f.Add("Password: ", true, "")
	f.Add("Password:\nPassword: ", false, "Old Password:")
	f.Add("\x1b]0;x\aPassword: ", false, "Pass\u202eword:")
	f.Add(strings.Repeat("Password: ", 100), false, "\xff\xfe")
	prompts := []policy.Prompt{{Asks: "Password: ?", Give: policy.GiveSecret}, {Asks: "User name:", Give: policy.GiveAccount}}
	f.Fuzz(func(t *testing.T, one string, echo bool, two string) {
		out, opened, err := dial.Answers(prompts, []string{one, two}, []bool{echo, false}, "s3cret")
		named := func(q string) bool { return strings.TrimSpace(q) == "Password:" }
		if opened && !(named(one) && !echo) && !named(two) {
			t.Errorf("%q, %t, %q opened the secret", one, echo, two)
		}
		for i, o := range out {
			if o == "s3cret" && !named([]string{one, two}[i]) {
				t.Errorf("%q was told the secret", []string{one, two}[i])
			}
		}
		var r *policy.Refusal
		if err != nil && (!errors.As(err, &r) || strings.ContainsFunc(r.Why+r.Say, func(c rune) bool { return c < ' ' || c > '~' }) || len(r.Why) > 2000) {
			t.Errorf("told as %v", err)
		}
	})
}
