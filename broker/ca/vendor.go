package ca

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"penstock/audit"
	"penstock/policy"
)

const (
	sourceAddress = "source-address" // OpenSSH PROTOCOL.certkeys, critical options
	maxWindows    = 32               // that one certificate names
	maxNetworks   = 64
	maxKeyID      = 128

	issueBurst = 128              // certificates of one person at once
	issueEvery = 10 * time.Second // and one more
)

// Rules of refusals. Only cert-expired is told apart to the person, and only
// for a certificate that this broker issued: from the others a guesser learns nothing.
const (
	RuleCert    = "certificate"
	RuleExpired = "certificate-expired"
)

// asUser lets CertChecker compare the principal with the person part of the user name.
type asUser struct {
	ssh.ConnMetadata
	person string
}

func (u asUser) User() string { return u.person }

// CheckVendor is asked on offered keys, proven or not: no side effect, nothing
// logged as that person. It checks authority, type, validity, exactly one
// principal = person part of the user name, critical options, source-address,
// and that cert.issued has this serial with this key for this person. The Permissions carry
// CriticalOptions so that x/crypto enforces source-address. Errors are *policy.Refusal.
func (a *Authorities) CheckVendor(m ssh.ConnMetadata, person policy.PersonID, k ssh.PublicKey) (Claim, *ssh.Permissions, error) {
	cert, ok := k.(*ssh.Certificate)
	if !ok {
		return Claim{}, nil, no("it is a plain key and no certificate")
	}
	if err := a.shape(cert, person); err != nil {
		return Claim{}, nil, err
	}
	leaf, err := a.issued(cert, person)
	if err != nil {
		return Claim{}, nil, err
	}
	checker := ssh.CertChecker{
		SupportedCriticalOptions: []string{WindowOption},
		IsUserAuthority:          a.IsVendorAuthority,
		Clock:                    a.now,
	}
	perms, err := checker.Authenticate(asUser{m, string(person)}, cert)
	if err != nil && a.genuine(cert) && !a.now().Before(leaf.Before) {
		return Claim{}, nil, &policy.Refusal{Rule: RuleExpired,
			Say: "Your certificate ended at " + leaf.Before.UTC().Format("15:04 UTC on 2 January 2006") + ".",
			Why: "certificate " + leaf.Serial + " has expired"}
	}
	if err != nil {
		return Claim{}, nil, no(err.Error())
	}
	claim := Claim{Serial: leaf.Serial, Key: leaf.Key, Person: person, Until: leaf.Before, Firm: policy.FirmID(keyIDPart(leaf.KeyID, "c"))}
	for _, w := range leaf.Windows {
		claim.Windows = append(claim.Windows, policy.WindowID(w))
	}
	// Own maps: whoever holds the certificate object cannot change what was checked.
	return claim, &ssh.Permissions{CriticalOptions: clone(perms.CriticalOptions), Extensions: clone(perms.Extensions)}, nil
}

func no(why string) *policy.Refusal {
	return &policy.Refusal{Rule: RuleCert, Say: "This certificate is not good here.", Why: why}
}

func clone(m map[string]string) map[string]string {
	c := make(map[string]string, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// IsVendorAuthority says whether a key is the in authority.
func (a *Authorities) IsVendorAuthority(auth ssh.PublicKey) bool {
	return auth != nil && string(auth.Marshal()) == string(a.in.PublicKey().Marshal())
}

// genuine says whether the in authority signed exactly this.
func (a *Authorities) genuine(cert *ssh.Certificate) bool {
	c := ssh.CertChecker{SupportedCriticalOptions: []string{WindowOption, sourceAddress},
		Clock: func() time.Time { return time.Unix(int64(cert.ValidAfter), 0) }}
	return a.IsVendorAuthority(cert.SignatureKey) && len(cert.ValidPrincipals) == 1 && c.CheckCert(cert.ValidPrincipals[0], cert) == nil
}

// shape is what can be told from the certificate alone, before its signature is looked at.
func (a *Authorities) shape(cert *ssh.Certificate, person policy.PersonID) error {
	now := a.now()
	switch {
	case !a.IsVendorAuthority(cert.SignatureKey):
		return no("signed by another authority")
	case cert.CertType != ssh.UserCert:
		return no("not a user certificate")
	case len(cert.ValidPrincipals) != 1 || cert.ValidPrincipals[0] != string(person) || !policy.ValidID(string(person)):
		return no(fmt.Sprintf("principals %q, and the user name says %q", cert.ValidPrincipals, person))
	case cert.ValidBefore <= cert.ValidAfter || cert.ValidBefore-cert.ValidAfter > uint64((vendorLife+backdate)/time.Second):
		return no("valid for longer than this broker ever gives")
	case cert.ValidAfter > uint64(max(now.Unix(), 0)):
		return no("not yet valid: a clock stepped back, or another one made it")
	case len(cert.CriticalOptions) != 2 || cert.CriticalOptions[WindowOption] == "" || cert.CriticalOptions[sourceAddress] == "":
		return no("critical options are not the two that this broker sets")
	case len(cert.KeyId) > maxKeyID:
		return no("key id too long")
	}
	return nil
}

// issued finds the cert.issued leaf of a certificate and holds the certificate to it.
func (a *Authorities) issued(cert *ssh.Certificate, person policy.PersonID) (audit.CertIssued, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	serial := strconv.FormatUint(cert.Serial, 10)
	row, at, err := held(ctx, a.rows, person)
	if err != nil {
		return audit.CertIssued{}, no("read the certificates of " + string(person) + ": " + err.Error())
	}
	i := slices.IndexFunc(row.Issued, func(ev audit.CertIssued) bool { return ev.Serial == serial })
	if i < 0 {
		return audit.CertIssued{}, no("no cert.issued event has serial " + serial + " for " + string(person))
	}
	leaf, err := a.log.Leaf(ctx, at.Leaf)
	if err != nil {
		return audit.CertIssued{}, no("read leaf " + at.Leaf.String() + ": " + err.Error())
	}
	newest, ok := leaf.Body.(audit.CertIssued)
	ev := row.Issued[i]
	switch {
	case !ok || newest.Person != string(person) || leaf.Rows[at.Key] != audit.HashOf(at.Value):
		return audit.CertIssued{}, no("the row of certificate " + serial + " is not what the log says")
	case ev.CA != "in" || ev.Person != string(person):
		return audit.CertIssued{}, no("certificate " + serial + " was issued for something else")
	case ev.Key != ssh.FingerprintSHA256(cert.Key):
		return audit.CertIssued{}, no("certificate " + serial + " was issued for another key")
	case ev.Before.Unix() != int64(cert.ValidBefore) || ev.After.Unix() != int64(cert.ValidAfter) ||
		strings.Join(ev.Windows, ",") != cert.CriticalOptions[WindowOption]:
		return audit.CertIssued{}, no("certificate " + serial + " says other things than its event")
	}
	return ev, nil
}

// IssueVendor writes cert.issued and then signs: one person, one key, all of
// the person's open windows. from is the firm's networks (source-address);
// empty is a refusal. Errors: *policy.Refusal, else a fault.
func (a *Authorities) IssueVendor(ctx context.Context, c Claim, k ssh.PublicKey, from []netip.Prefix) (*ssh.Certificate, error) {
	if _, ok := k.(*ssh.Certificate); ok || k == nil {
		return nil, errors.New("issue certificate: a plain public key is certified, nothing else")
	}
	if !policy.ValidID(string(c.Person)) || !policy.ValidID(string(c.Firm)) {
		return nil, fmt.Errorf("issue certificate: %q of %q are no ids", c.Person, c.Firm)
	}
	networks, err := sourceList(from)
	if err != nil {
		return nil, err
	}
	windows, err := windowList(c.Windows)
	if err != nil {
		return nil, err
	}
	now := a.now()
	if !a.mayIssue(c.Person, now) {
		return nil, &policy.Refusal{Rule: "many-certificates", Say: "Very many certificates were fetched with this key just now. Use the newest one: it is good for an hour.", Why: "certificates of one person above the rate"}
	}
	until := now.Add(vendorLife)
	if c.Until.Before(until) {
		until = c.Until
	}
	if !until.After(now.Add(time.Second)) {
		return nil, &policy.Refusal{Rule: "window-over", Say: "Your window is over. Ask for a new one.", Why: "the certificate would end before it begins"}
	}
	cert := &ssh.Certificate{
		Key: k, CertType: ssh.UserCert, KeyId: keyID(windows, c.Person, c.Firm), ValidPrincipals: []string{string(c.Person)},
		ValidAfter: uint64(now.Add(-backdate).Unix()), ValidBefore: uint64(until.Unix()),
		Permissions: ssh.Permissions{
			CriticalOptions: map[string]string{WindowOption: strings.Join(windows, ","), sourceAddress: networks},
			Extensions:      map[string]string{"permit-pty": "", "permit-port-forwarding": ""},
		},
	}
	ev := audit.CertIssued{CA: "in", Person: string(c.Person), Windows: windows}
	if err := a.issue(ctx, a.in, cert, ev, string(c.Person)); err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", c.Person, err)
	}
	a.remember(ssh.FingerprintSHA256(k), until)
	return cert, nil
}

func sourceList(from []netip.Prefix) (string, error) {
	if len(from) == 0 {
		return "", &policy.Refusal{Rule: "no-networks",
			Say: "The plant knows no network of your firm, so no certificate can be made. Ask your sponsor to have the firm's networks entered.",
			Why: "the firm has no networks"}
	}
	if len(from) > maxNetworks {
		return "", fmt.Errorf("issue certificate: %d networks, and %d is the most", len(from), maxNetworks)
	}
	words := make([]string, len(from))
	for i, p := range from {
		if !p.IsValid() {
			return "", errors.New("issue certificate: a network of the firm is not valid")
		}
		words[i] = p.Masked().String()
	}
	return strings.Join(words, ","), nil
}

func windowList(ids []policy.WindowID) ([]string, error) {
	if len(ids) == 0 {
		return nil, &policy.Refusal{Rule: "no-window", Say: "None of your windows is open. How they stand: ssh desk@… windows.", Why: "no window to certify"}
	}
	if len(ids) > maxWindows {
		return nil, &policy.Refusal{Rule: "too-many-windows",
			Say: fmt.Sprintf("You have %d open windows; one certificate names at most %d. Name the ones you need: ssh cert@… W-17 W-18.", len(ids), maxWindows),
			Why: "too many windows for one certificate"}
	}
	windows := make([]string, len(ids))
	for i, id := range ids {
		n, ok := strings.CutPrefix(string(id), "W-")
		if _, err := strconv.ParseUint(n, 10, 63); !ok || err != nil {
			return nil, fmt.Errorf("issue certificate: %q is no window", id)
		}
		windows[i] = string(id)
	}
	slices.Sort(windows)
	return slices.Compact(windows), nil
}

// keyID is what sshd-like logs show: "w=W-17,W-18;p=ann;c=krall", at most 128
// bytes; where the windows are too many the option still names all.
func keyID(windows []string, p policy.PersonID, f policy.FirmID) string {
	tail := ";p=" + string(p) + ";c=" + string(f)
	for n := len(windows); ; n-- {
		id := "w=" + strings.Join(windows[:n], ",")
		if n < len(windows) {
			id += "+" + strconv.Itoa(len(windows)-n)
		}
		if len(id)+len(tail) <= maxKeyID || n == 0 {
			return id + tail
		}
	}
}

func keyIDPart(id, name string) string {
	for part := range strings.SplitSeq(id, ";") {
		if v, ok := strings.CutPrefix(part, name+"="); ok {
			return v
		}
	}
	return ""
}

// mayIssue bounds what one person, or a machine whose key comes without a code, has
// written to the log: each certificate is an event for good.
func (a *Authorities) mayIssue(p policy.PersonID, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.pace[p]
	if l == nil { // people who are enrolled are few
		l = rate.NewLimiter(rate.Every(issueEvery), issueBurst)
		a.pace[p] = l
	}
	return l.AllowN(now, 1)
}

// remember keeps what Running tells; ended ones are dropped as new ones come.
func (a *Authorities) remember(fingerprint string, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for k, t := range a.running {
		if !t.After(now) {
			delete(a.running, k)
		}
	}
	a.running[fingerprint] = until
}

// Running says whether an in certificate was issued over the key that
// has not ended: whoever offers the plain key then most likely offers the
// certificate next. A hint for a text, no proof of anything.
func (a *Authorities) Running(k ssh.PublicKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running[ssh.FingerprintSHA256(k)].After(a.now())
}

// Unissued makes an in certificate that no event names, valid for one minute:
// what a thief of the in key could make. The door's self-test tries to get in with it.
func (a *Authorities) Unissued(person policy.PersonID, k ssh.PublicKey) (*ssh.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	now := a.now()
	cert := &ssh.Certificate{
		Key: k, CertType: ssh.UserCert, Serial: serial, KeyId: "self-test", ValidPrincipals: []string{string(person)},
		ValidAfter: uint64(now.Add(-time.Second).Unix()), ValidBefore: uint64(now.Add(time.Minute).Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{WindowOption: "W-0", sourceAddress: "0.0.0.0/0,::/0"}},
	}
	return cert, cert.SignCert(rand.Reader, a.in)
}
