package sshd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/ca"
	"penstock/policy"
)

// TestNobodyGetsIn: each row is somebody with an own key, and what they try.
func TestNobodyGetsIn(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	mallory, annsKey := keyOf("mallory"), keyOf("ann")
	good := h.cert("ann", w)
	goodCert := good.PublicKey().(*ssh.Certificate)
	signed := func(key ssh.Signer, by ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
		c := *goodCert
		c.Key = key.PublicKey()
		if change != nil {
			change(&c)
		}
		if err := c.SignCert(rand.Reader, by); err != nil {
			t.Fatal(err)
		}
		return must(ssh.NewCertSigner(&c, key))
	}
	unissued := func(key ssh.Signer) ssh.Signer {
		return must(ssh.NewCertSigner(must(h.ca.Unissued("ann", key.PublicKey())), key))
	}
	kbd := ssh.KeyboardInteractive(answerAnything)
	const ann = "ann+logs+filler-plc"
	for _, row := range []struct {
		story string
		user  string
		auth  []ssh.AuthMethod
	}{
		{"no authentication at all", ann, nil},
		{"no authentication, as desk", "desk", nil},
		{"no authentication, as root", "root", nil},
		{"a password", ann, []ssh.AuthMethod{ssh.Password("x")}},
		{"keyboard-interactive without a key", "cert", []ssh.AuthMethod{kbd}},
		{"ann's plain key as a person", ann, []ssh.AuthMethod{ssh.PublicKeys(annsKey)}},
		{"a stranger's plain key as a person", ann, []ssh.AuthMethod{ssh.PublicKeys(mallory)}},
		{"a stranger's key at the desk", "desk", []ssh.AuthMethod{ssh.PublicKeys(mallory)}},
		{"a stranger's key for a certificate", "cert", []ssh.AuthMethod{ssh.PublicKeys(mallory), kbd}},
		{"ann's key offered, signed by another", "desk", []ssh.AuthMethod{ssh.PublicKeys(thief{mallory, annsKey.PublicKey()})}},
		{"ann's certificate offered, signed by another", ann, []ssh.AuthMethod{ssh.PublicKeys(thief{mallory, goodCert})}},
		{"a copy of ann's certificate at the desk", "desk", []ssh.AuthMethod{ssh.PublicKeys(thief{mallory, goodCert})}},
		{"ann's key offered, not proven, and then a code", "cert", []ssh.AuthMethod{ssh.PublicKeys(thief{mallory, annsKey.PublicKey()}), kbd}},
		{"a certificate of another authority", ann, []ssh.AuthMethod{ssh.PublicKeys(signed(annsKey, mallory, nil))}},
		{"a right certificate without a cert.issued event", ann, []ssh.AuthMethod{ssh.PublicKeys(unissued(annsKey))}},
		{"the same for a stranger's key", ann, []ssh.AuthMethod{ssh.PublicKeys(unissued(mallory))}},
		{"ann's certificate as another person", "bob+logs+filler-plc", []ssh.AuthMethod{ssh.PublicKeys(good)}},
		{"ann's certificate as root", "root", []ssh.AuthMethod{ssh.PublicKeys(good)}},
		{"ann's certificate to join", "join", []ssh.AuthMethod{ssh.PublicKeys(good), kbd}},
		{"half a user name", "ann+logs", []ssh.AuthMethod{ssh.PublicKeys(good)}},
		{"an empty user name", "", []ssh.AuthMethod{ssh.PublicKeys(good)}},
		{"a user name with a zero byte", "ann\x00+logs+filler-plc", []ssh.AuthMethod{ssh.PublicKeys(good)}},
		{"the certificate of the plant's own host", ann, []ssh.AuthMethod{ssh.PublicKeys(signed(annsKey, mallory, func(c *ssh.Certificate) { c.CertType = ssh.HostCert }))}},
	} {
		t.Run(row.story, func(t *testing.T) {
			if c, _, err := h.dialAs(row.user, row.auth...); err == nil {
				c.Close()
				t.Fatal("somebody got in")
			}
		})
	}
	if n := h.machine.accepted.Load(); n != 0 {
		t.Errorf("the machine was dialled %d times for people who were not proven", n)
	}
	if len(h.events("session.started")) != 0 {
		t.Error("a session was written for somebody who was not proven")
	}
	c, _, err := h.dialAs(ann, ssh.PublicKeys(good))
	if err != nil {
		t.Fatalf("and ann herself is not let in: %v", err)
	}
	c.Close()
}

func TestCertificateFromOutsideTheFirm(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := must(h.ca.IssueVendor(h.ctx, ca.Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{w}, Until: time.Now().Add(time.Hour)},
		keyOf("ann").PublicKey(), []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}))
	// The plain key comes after it, as stock clients have it: the log still says what was wrong with the certificate.
	_, banner, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(must(ssh.NewCertSigner(c, keyOf("ann")))))
	if err == nil {
		t.Fatal("a certificate for 198.51.100.0/24 was accepted from 127.0.0.1")
	}
	if !strings.Contains(banner, "only for connections from 198.51.100.0/24, and you come from 127.0.0.1") {
		t.Errorf("ann reads %q", banner)
	}
	eventually(t, "the reason in the log", func() bool {
		for _, e := range h.events("access.refused") {
			if strings.Contains(e.Body.(audit.AccessRefused).Why, "a certificate for networks 198.51.100.0/24") {
				return true
			}
		}
		return false
	})
}

func TestWithin(t *testing.T) {
	for networks, want := range map[string]bool{
		"127.0.0.0/8": true, "192.0.2.0/24,127.0.0.1/32": true, "::/0": false,
		"": false, "127.0.0.1": false, "*": false, "192.0.2.0/24": false, "127.0.0.0/8 ": false,
	} {
		if got := within(networks, netip.MustParseAddr("::ffff:127.0.0.1")); got != want {
			t.Errorf("%q has room for 127.0.0.1: %v, want %v", networks, got, want)
		}
	}
}

// The user name may change between the query and the signature: only the one that was signed counts.
func TestUserNameChangedBetweenAttempts(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	good := h.cert("ann", w)
	// x/crypto's client cannot change its name, so this asks the callbacks as x/crypto's server does: each time with the name of that attempt.
	_, server := memPipe(selfAddr, doorAddr)
	c := newConn(h.door, server, netip.MustParseAddr("127.0.0.1"))
	h.door.slots <- struct{}{}
	t.Cleanup(func() { c.Close() })
	perms, err := h.door.offered(c, meta{user: "ann+logs+filler-plc"}, good.PublicKey())
	if err != nil {
		t.Fatalf("ann's own certificate is refused: %v", err)
	}
	for _, user := range []string{"bob+logs+filler-plc", "root", "bob", "join", ""} {
		if p, err := h.door.proven(c, meta{user: user}, good.PublicKey(), perms); err == nil || p != nil {
			t.Errorf("offered as ann, signed as %q: accepted", user)
		}
	}
	// As desk the key inside counts, and it is ann's: ann is who is served.
	p, err := h.door.proven(c, meta{user: "desk"}, good.PublicKey(), perms)
	if err != nil || p.ExtraData[callerKey{}].(clerk).actor.Person != "ann" {
		t.Errorf("desk with ann's key in a certificate: %v %v", p, err)
	}
}

type meta struct {
	ssh.ConnMetadata
	user string
}

func (m meta) User() string { return m.user }

func TestSixAgentKeysBeforeTheRightOne(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	var signers []ssh.Signer
	for i := range 6 {
		signers = append(signers, keyOf(fmt.Sprint("agent ", i)))
	}
	signers = append(signers, keyOf("ann"), h.cert("ann", w))
	_, banner, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(signers...))
	if err != nil {
		t.Fatalf("the eighth key was the right one: %v", err)
	}
	if banner != "" {
		t.Errorf("a person who gets in is told %q", banner)
	}
}

func TestPlainKeyIsToldWhatToDo(t *testing.T) {
	h := newHouse(t, Limits{})
	_, banner, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(keyOf("mallory"), keyOf("ann"), keyOf("bob")))
	if err == nil || strings.Count(banner, "You need today's certificate") != 1 || !strings.Contains(banner, "cert@127.0.0.1 >") {
		t.Fatalf("err %v, banner %q", err, banner)
	}
	eventually(t, "the reason in the log", func() bool { return len(h.events("access.refused")) > 0 })
	if no := h.events("access.refused")[0].Body.(audit.AccessRefused); no.Person != "" || no.Source != "127.0.0.1" || !strings.Contains(no.Why, `"ann+logs+filler-plc": a plain key as a person`) {
		t.Errorf("access.refused: %+v", no)
	}
}

func TestExpiredCertificateSaysSo(t *testing.T) {
	h := newHouse(t, Limits{})
	good := h.cert("ann", "W-1")
	h.ahead.Store(int64(2 * time.Hour))
	_, banner, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(good))
	if err == nil || !strings.Contains(banner, "ended at") || !strings.Contains(banner, "cert@") {
		t.Fatalf("err %v, banner %q", err, banner)
	}
}

// asker answers prompts in order and remembers what was asked.
type asker struct {
	answers []string
	asked   []string
}

func (a *asker) method() ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, instruction string, questions []string, _ []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		a.asked = append(a.asked, instruction+"|"+questions[0])
		if len(a.answers) == 0 {
			return nil, errors.New("no more answers")
		}
		next := a.answers[0]
		a.answers = a.answers[1:]
		return []string{next}, nil
	})
}

func TestCertificateWithCode(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	run := func(a *asker, line string) (out, errs string, code int, err error) {
		c, _, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), a.method())
		if err != nil {
			return "", "", -1, err
		}
		defer c.Close()
		return runLine(c, line)
	}
	if _, _, _, err := run(&asker{answers: []string{"000000", "111111", h.code("ann", -1)}}, ""); err == nil {
		t.Fatal("two guesses and a spent code got in")
	}
	good := h.code("ann", 0)
	out, errs, code, err := run(&asker{answers: []string{"000000", good}}, "")
	if err != nil || code != 0 {
		t.Fatalf("the right code after a wrong one: %v, exit %d, stderr %q", err, code, errs)
	}
	k, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(out))
	if err != nil || len(rest) != 0 || strings.Count(out, "\n") != 1 || strings.Contains(out, "\r") {
		t.Fatalf("stdout is not one line of a certificate: %q %v", out, err)
	}
	cert := k.(*ssh.Certificate)
	if cert.CriticalOptions["window-id@penstock"] != string(w) || cert.KeyId != "w="+string(w)+";p=ann;c=krall" || cert.CriticalOptions["source-address"] != "127.0.0.0/8" {
		t.Errorf("the certificate says %q %v", cert.KeyId, cert.CriticalOptions)
	}
	if _, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(must(ssh.NewCertSigner(cert, keyOf("ann"))))); err != nil {
		t.Errorf("what cert@ gave out does not let in: %v", err)
	}
	if _, _, _, err := run(&asker{answers: []string{good}}, ""); err == nil {
		t.Error("a code was good twice")
	}
	if _, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "enough"); err != nil {
		t.Fatal(err)
	}
	out, errs, code, err = run(&asker{answers: []string{h.code("ann", 1)}}, string(w))
	if err != nil || code != 3 || out != "" || !strings.Contains(errs, "not open") || len(h.events("cert.refused")) != 1 {
		t.Errorf("no open window: %v, exit %d, stdout %q, stderr %q", err, code, out, errs)
	}
}

func TestThreeWrongCodesEndIt(t *testing.T) {
	h := newHouse(t, Limits{})
	a := &asker{answers: []string{"1", "2", "3", "4", "5", "6", "7", "8"}}
	_, banner, err := h.dialAs("cert", ssh.PublicKeys(keyOf("ann")), ssh.RetryableAuthMethod(a.method(), 8))
	if err == nil || len(a.asked) != maxCodes {
		t.Fatalf("%d codes were asked for, at most %d are: %v (%s)", len(a.asked), maxCodes, err, banner)
	}
	if len(h.events("login.refused")) == 0 {
		t.Error("wrong codes are not in the log")
	}
}

func TestJoin(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	inv := must(h.roster.Invite(h.ctx, h.actor("olaf"), people.Invitation{Person: "tim", Firm: "krall", Name: "Tim Tull"}))
	key := keyOf("tim")
	a := &asker{answers: []string{"AAAA-AAAA-AAAA-AAAA", inv.Code}}
	c, _, err := h.dialAs("join", ssh.PublicKeys(key), a.method())
	if err != nil {
		t.Fatalf("join: %v", err)
	}
	if !strings.Contains(a.asked[0], ssh.FingerprintSHA256(key.PublicKey())) {
		t.Errorf("the fingerprint is not shown: %q", a.asked[0])
	}
	out, _, code, err := runLine(c, "")
	if err != nil || code != 0 || !strings.Contains(out, "waits for olaf") || !strings.Contains(out, ssh.FingerprintSHA256(key.PublicKey())) {
		t.Errorf("after joining: %v, exit %d: %s", err, code, out)
	}
	c.Close()
	_, banner, err := h.dialAs("desk", ssh.PublicKeys(key))
	if err == nil || !strings.Contains(banner, "waits for your sponsor") || !strings.Contains(banner, ssh.FingerprintSHA256(key.PublicKey())) {
		t.Errorf("a pending key at the desk: %v, and its person reads %q", err, banner)
	}
	if _, banner, err := h.dialAs("desk", ssh.PublicKeys(keyOf("late"))); err == nil || banner != "" {
		t.Errorf("nobody's key at the desk: %v, %q", err, banner)
	}
	if _, _, err := h.dialAs("join", ssh.PublicKeys(keyOf("late")), (&asker{answers: []string{inv.Code}}).method()); err == nil {
		t.Error("an invitation was good twice")
	}
	h.ok(h.roster.Confirm(h.ctx, h.actor("olaf"), "tim", ssh.FingerprintSHA256(key.PublicKey())))
	if _, banner, err := h.dialAs("desk", ssh.PublicKeys(key)); err != nil || banner != "" {
		t.Errorf("a confirmed key is not: %v, %q", err, banner)
	}
}

// runLine runs a command, or a shell for an empty line, and reads all of it.
func runLine(c *ssh.Client, line string) (out, errs string, code int, err error) {
	s, err := c.NewSession()
	if err != nil {
		return "", "", -1, err
	}
	defer s.Close()
	stdout, stderr := must(s.StdoutPipe()), must(s.StderrPipe())
	if line == "" {
		err = s.Shell()
	} else {
		err = s.Start(line)
	}
	if err != nil {
		return "", "", -1, err
	}
	rest := make(chan string, 1)
	go func() { b, _ := io.ReadAll(stderr); rest <- string(b) }()
	b, _ := io.ReadAll(stdout)
	errs = <-rest
	err = s.Wait()
	var exit *ssh.ExitError
	if errors.As(err, &exit) {
		return string(b), errs, exit.ExitStatus(), nil
	}
	return string(b), errs, 0, err
}

func TestSelfTest(t *testing.T) {
	h := newHouse(t, Limits{})
	if err := h.door.SelfTest(h.ctx); err != nil {
		t.Fatalf("a sound door: %v", err)
	}
	allow := func(ssh.ConnMetadata) (*ssh.Permissions, error) { return &ssh.Permissions{}, nil }
	for _, row := range []struct {
		story string
		spoil func(*ssh.ServerConfig)
	}{
		{"nobody refuses none", func(c *ssh.ServerConfig) { c.NoClientAuthCallback, c.NoClientAuth = nil, true }},
		{"none is allowed", func(c *ssh.ServerConfig) { c.NoClientAuthCallback, c.NoClientAuth = allow, true }},
		{"any password is good", func(c *ssh.ServerConfig) {
			c.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }
		}},
		{"any key is good", func(c *ssh.ServerConfig) {
			c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }
			c.VerifiedPublicKeyCallback = nil
		}},
		{"any certificate of the right authority is good", func(c *ssh.ServerConfig) {
			checker := ssh.CertChecker{SupportedCriticalOptions: []string{ca.WindowOption}, IsUserAuthority: h.ca.IsVendorAuthority}
			c.PublicKeyCallback = func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
				u, _ := parseUser(m.User())
				return checker.Authenticate(meta{m, string(u.person)}, k)
			}
			c.VerifiedPublicKeyCallback = nil
		}},
		{"an invitation needs no code", func(c *ssh.ServerConfig) {
			c.VerifiedPublicKeyCallback = func(m ssh.ConnMetadata, k ssh.PublicKey, p *ssh.Permissions, _ string) (*ssh.Permissions, error) {
				return p, nil
			}
		}},
	} {
		t.Run(row.story, func(t *testing.T) {
			h.door.spoil = row.spoil
			err := h.door.SelfTest(h.ctx)
			if err == nil || !strings.Contains(err.Error(), "somebody got in") {
				t.Fatalf("the self-test did not notice: %v", err)
			}
		})
	}
	h.door.spoil = nil
	for story, spoil := range map[string]func(*ssh.ServerConfig){
		"none is allowed behind a jump": func(c *ssh.ServerConfig) { c.NoClientAuthCallback, c.NoClientAuth = allow, true },
		"any password is good behind a jump": func(c *ssh.ServerConfig) {
			c.PasswordCallback = func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }
		},
		"a plain key is good behind a jump": func(c *ssh.ServerConfig) {
			was := c.PublicKeyCallback
			c.PublicKeyCallback = func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
				if _, is := k.(*ssh.Certificate); !is {
					return nil, nil
				}
				return was(m, k)
			}
			c.VerifiedPublicKeyCallback = nil
		},
		"any certificate of the right authority is good behind a jump": func(c *ssh.ServerConfig) {
			checker := ssh.CertChecker{SupportedCriticalOptions: []string{ca.WindowOption}, IsUserAuthority: h.ca.IsVendorAuthority}
			c.PublicKeyCallback = func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
				if cert, is := k.(*ssh.Certificate); is && len(cert.ValidPrincipals) == 1 {
					return checker.Authenticate(meta{m, cert.ValidPrincipals[0]}, k)
				}
				return nil, errDenied
			}
			c.VerifiedPublicKeyCallback = nil
		},
	} {
		t.Run(story, func(t *testing.T) {
			h.door.spoilInner = spoil
			err := h.door.SelfTest(h.ctx)
			if err == nil || !strings.Contains(err.Error(), "somebody got in behind a jump") {
				t.Fatalf("the self-test did not notice: %v", err)
			}
		})
	}
	h.door.spoilInner = nil
	if err := h.door.SelfTest(h.ctx); err != nil {
		t.Fatalf("a sound door: %v", err)
	}
}

func TestRefusalsAreToldOnceASecond(t *testing.T) {
	log := &countingLog{}
	now := time.Unix(1000, 0)
	tell := newTeller(log, func() time.Time { return now })
	for i := range 500 {
		tell.refused(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "", "auth", "x")
		tell.refused(netip.MustParseAddr("192.0.2.1"), "", "auth", "x")
	}
	if len(log.all) != maxToldPerSecond {
		t.Errorf("%d events in one second, at most %d are written", len(log.all), maxToldPerSecond)
	}
	tell.refused(netip.MustParseAddr("192.0.2.7"), "ann", "target-host-key", "y")
	if last := log.all[len(log.all)-1].Body.(audit.AccessRefused); last.Rule != "target-host-key" {
		t.Errorf("a flood of strangers hid what happened to ann: %+v", last)
	}
	log.all = log.all[:len(log.all)-1]
	now = now.Add(time.Second)
	tell.refused(netip.MustParseAddr("192.0.2.1"), "", "auth", "x")
	counted := len(log.all)
	for _, ev := range log.all {
		n := 0
		_, _ = fmt.Sscanf(ev.Body.(audit.AccessRefused).Why, "x (%d more", &n)
		counted += n
	}
	if counted != 1001 {
		t.Errorf("%d refusals are accounted for, of 1001", counted)
	}
}

type countingLog struct{ all []audit.Event }

func (l *countingLog) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	l.all = append(l.all, ev)
	return audit.Leaf{}, nil
}
