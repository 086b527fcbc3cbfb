package policy

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy/source"
)

// LoginBy is how the broker proves itself to a target. The zero value is the
// out certificate.
type LoginBy string

// The ways to log in at a target. A password and a key are secrets that
// broker/vault keeps sealed.
const (
	LoginCertificate LoginBy = ""
	LoginPassword    LoginBy = "password"
	LoginKey         LoginBy = "key"
)

// Sealed says whether a secret of the vault logs in.
func (b LoginBy) Sealed() bool { return b == LoginPassword || b == LoginKey }

func (b LoginBy) String() string {
	if b == LoginCertificate {
		return "certificate"
	}
	return string(b)
}

// What a prompt of a target may be given.
const (
	GiveSecret  = "secret"  // the account's password, only where the target does not echo it
	GiveAccount = "account" // the account's name
	GiveNothing = "nothing" // an empty line
)

// Prompt is one question of a target's keyboard-interactive that is answered.
// Asks is a regular expression (RE2) for the whole prompt, without blanks around it.
type Prompt struct{ Asks, Give string }

// Fits says whether a target asks exactly this.
func (p Prompt) Fits(prompt string) bool {
	if len(prompt) > maxPromptText {
		return false
	}
	re, err := regexp.Compile(`^(?:` + p.Asks + `)$`)
	return err == nil && re.MatchString(strings.TrimSpace(prompt))
}

// Rotation is how an account's secret is replaced on the target: Run is a
// command ("": the account's shell), Lines are what it is told, one line each.
// {old}, {new} and {account} stand in lines alone: a command's words can be read
// by everybody on the machine. Without lines the secret is not rotated. Length
// is that of a new password, in characters.
type Rotation struct {
	Run    string
	Lines  []string
	Length int
}

// Is says whether the secret is rotated.
func (r Rotation) Is() bool { return len(r.Lines) > 0 }

// Old is an asset's exception: it speaks SSH only with algorithms that DESIGN
// 5.1 leaves out. Review is a day (00:00 UTC).
type Old struct {
	Algorithms []string
	Why        string
	Owner      Role
	Review     time.Time
}

// Is says whether there is an exception.
func (o Old) Is() bool { return len(o.Algorithms) > 0 }

// Via is the host through which an asset is reached, and the account on it that
// is for this alone.
type Via struct {
	Asset   AssetName
	Account AccountName
}

// Hop is a host on the way to a target: what is dialled and proven first.
type Hop struct {
	Via
	Target   netip.AddrPort
	HostKeys []string
	Old      []string
	Login    Login
}

// Name is the host's; empty where none is gone through.
func (h *Hop) Name() AssetName {
	if h == nil {
		return ""
	}
	return h.Asset
}

// OldAlgorithms are those that an exception may allow, as x/crypto/ssh has them.
var OldAlgorithms = []string{
	ssh.InsecureKeyExchangeDH1SHA1, ssh.InsecureKeyExchangeDH14SHA1, ssh.InsecureKeyExchangeDHGEXSHA1,
	ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDHGEXSHA256,
	ssh.KeyAlgoRSA, ssh.InsecureCipherAES128CBC, ssh.InsecureCipherTripleDESCBC, ssh.HMACSHA1, ssh.InsecureHMACSHA196,
}

// Bounds of what a plant file says of logins.
const (
	maxPrompts    = 16
	maxPromptText = 500
	maxRotate     = 32 // lines
	shortSecret   = 12
	longSecret    = 64
	usualSecret   = 24
	maxOldWhy     = 200 // bytes
)

// login reads how the broker logs in as one account.
func (f *file) login(a source.Fields, one *Account) {
	switch a.Get("login").OneOf("certificate", "password", "key") {
	case "password":
		one.Login = LoginPassword
	case "key":
		one.Login = LoginKey
	}
	f.prompts(a.Get("prompts"), one)
	f.rotation(a.Get("rotate"), one)
}

func (f *file) prompts(v source.Value, one *Account) {
	if v.Here() && one.Login != LoginPassword {
		v.Refuse("prompts are answered for accounts with login: password only", "add login: password, or leave them out")
		return
	}
	all := f.list(v)
	if len(all) > maxPrompts {
		v.Refuse(fmt.Sprintf("%d prompts; at most %d are read", len(all), maxPrompts), "")
		return
	}
	for _, at := range all {
		s := at.Fields("asks", "give")
		p := Prompt{Asks: s.Need("asks").Text(), Give: s.Need("give").OneOf(GiveSecret, GiveAccount, GiveNothing)}
		if _, err := regexp.Compile(p.Asks); err != nil || len(p.Asks) > maxPromptText {
			s.Get("asks").Refuse("this is no pattern for a prompt", `write it as a regular expression for the whole prompt, such as "Password: ?"`)
			continue
		}
		if p.Give == GiveSecret && (Prompt{Asks: p.Asks}).Fits("What is the other password of this plant?") {
			s.Get("asks").Refuse("this pattern fits every question, so a hostile machine could ask for the secret in any words", "write the prompt that the machine shows")
		}
		one.Prompts = append(one.Prompts, p)
	}
}

func (f *file) rotation(v source.Value, one *Account) {
	if !v.Here() {
		return
	}
	if !one.Login.Sealed() {
		v.Refuse("there is no secret to rotate: the broker logs in by certificate", "leave rotate out")
		return
	}
	s := v.Fields("run", "lines", "length")
	r := Rotation{Run: s.Get("run").Text(), Length: usualSecret}
	if s.Get("length").Here() {
		r.Length = s.Get("length").Int(shortSecret, longSecret)
	}
	for _, at := range f.some(s.Need("lines")) {
		r.Lines = append(r.Lines, at.Text())
	}
	if strings.Contains(r.Run, "{") {
		s.Get("run").Refuse("a command's words can be read by everybody on the machine", "give {account}, {old} and {new} in lines, which the command reads")
	}
	if len(r.Lines) > maxRotate {
		s.Get("lines").Refuse(fmt.Sprintf("%d lines; at most %d are read", len(r.Lines), maxRotate), "")
	}
	if s.Get("lines").Here() && !slices.ContainsFunc(r.Lines, func(l string) bool { return strings.Contains(l, "{new}") }) {
		s.Get("lines").Refuse("no line gives {new}, so nothing would be changed", `for chpasswd: run: chpasswd, lines: ["{account}:{new}"]`)
	}
	one.Rotate = r
}

// jumps are the accounts of a host that others are reached through; no window
// names them.
func (f *file) jumps(v source.Value, p *Port) {
	for _, at := range v.Entries() {
		if !accountName.MatchString(at.Key) || len(p.Jumps) >= maxListed {
			at.Name.Refuse(fmt.Sprintf("%q cannot name an account", at.Key), "a letter or underscore, then up to 31 letters, digits, dots, dashes, underscores")
			continue
		}
		if _, twice := p.Account(AccountName(at.Key)); twice {
			at.Name.Refuse(fmt.Sprintf("%s is an account of this port already", at.Key), "an account for jumps is for nobody else: whoever is asked about windows must not be asked about it")
			continue
		}
		one := Account{Name: AccountName(at.Key)}
		f.login(at.Fields("login", "prompts", "rotate"), &one)
		p.Jumps = append(p.Jumps, one)
	}
	slices.SortFunc(p.Jumps, func(a, b Account) int { return strings.Compare(string(a.Name), string(b.Name)) })
}

// Jump looks an account for jumps up.
func (p Port) Jump(name AccountName) (Account, bool) {
	for i := range p.Jumps {
		if p.Jumps[i].Name == name {
			return p.Jumps[i], true
		}
	}
	return Account{}, false
}

// old reads the exception of an ssh port.
func (f *file) old(v source.Value, p *Port) {
	if !v.Here() {
		return
	}
	s := v.Fields("allow", "why", "owner", "review")
	if why := s.Get("why").Text(); len(why) > maxOldWhy { // it is a line of what people sign
		s.Get("why").Refuse(fmt.Sprintf("the reason has %d bytes; at most %d stand on a request", len(why), maxOldWhy), "say it in one short sentence")
	}
	o := Old{Why: s.Need("why").Text(), Owner: f.team(s.Need("owner")), Review: s.Need("review").Date()}
	for _, at := range f.some(s.Need("allow")) {
		word := at.OneOf(OldAlgorithms...)
		if word != "" && slices.Contains(o.Algorithms, word) {
			at.Refuse(fmt.Sprintf("%s is here twice", word), "")
			continue
		}
		o.Algorithms = append(o.Algorithms, word)
	}
	p.Old = o
}

// via reads the host on the way, and looks at it once all is read.
func (f *file) via(v source.Value, a *Asset) {
	if !v.Here() {
		return
	}
	s := v.Fields("asset", "account")
	a.Via = Via{AssetName(f.mention(s.Need("asset"), "asset")), AccountName(s.Need("account").Text())}
	name := a.Name
	f.later = append(f.later, func() { f.checkVia(v, name) })
	f.paths = append(f.paths, func() { f.checkViaPath(v, name) })
}

func (f *file) checkVia(v source.Value, name AssetName) {
	a, host := f.plant.assets[name], f.plant.assets[f.plant.assets[name].Via.Asset]
	if host == nil {
		return // said already
	}
	port, ssh := host.Port("ssh")
	_, account := port.Jump(a.Via.Account)
	switch {
	case host == a:
		v.Refuse(fmt.Sprintf("%s is reached through itself", a.Name), "")
	case host.Via != Via{}:
		v.Refuse(fmt.Sprintf("%s is itself reached through %s", host.Name, host.Via.Asset), "one host lies between the broker and an asset, not two")
	case !ssh:
		v.Refuse(fmt.Sprintf("%s has no ssh port to go through", host.Name), "")
	case !account:
		v.Refuse(fmt.Sprintf("the ssh port of %s has no account %s for jumps", host.Name, a.Via.Account), fmt.Sprintf("add it there: jumps: {%s: {login: certificate}}", a.Via.Account))
	case len(port.HostKeys) == 0:
		v.Refuse(fmt.Sprintf("the host key of %s is not pinned, so nobody gets through it", host.Name), "add host_keys there")
	case host.Safety != "" || f.plant.zones[host.Zone] != nil && f.plant.zones[host.Zone].VendorsNever:
		v.Refuse(fmt.Sprintf("no vendor's bytes pass through %s: its zone is never open to vendors", host.Name), "")
	}
}

// checkViaPath: the host stands in a zone that the conduits lead through, and is
// itself reached by ssh.
func (f *file) checkViaPath(v source.Value, name AssetName) {
	a := f.plant.assets[name]
	host := f.plant.assets[a.Via.Asset]
	if host == nil || f.plant.zones[a.Zone].VendorsNever {
		return
	}
	if f.plant.path(host.Zone, "ssh", Look) == nil {
		v.Refuse(fmt.Sprintf("no conduit carries ssh to zone %s, where %s stands", host.Zone, host.Name), "declare it, or take the host away")
		return
	}
	for _, port := range a.Ports {
		if path := f.plant.path(a.Zone, string(port.Name), Look); path != nil && !slices.Contains(path, host.Zone) {
			v.Refuse(fmt.Sprintf("the conduits that carry %s to %s lead by %s, and %s stands in %s", port.Name, a.Zone, list(path), host.Name, host.Zone), "a host on the way stands in a zone on the way")
			return
		}
	}
}

// logins fills in what follows from the names, once the plant is read: each
// account's principal, and the host on the way to each asset.
func (p *Plant) logins() {
	for i := range p.Assets {
		a := &p.Assets[i]
		for j := range a.Ports {
			for n := range a.Ports[j].Accounts {
				a.Ports[j].Accounts[n].principal = p.Principal(a.Name, a.Ports[j].Accounts[n].Name)
			}
			for n := range a.Ports[j].Jumps {
				a.Ports[j].Jumps[n].principal = p.Principal(a.Name, a.Ports[j].Jumps[n].Name)
			}
		}
	}
	for i := range p.Assets {
		a := &p.Assets[i]
		host := p.assets[a.Via.Asset]
		if host == nil {
			continue
		}
		port, _ := host.Port("ssh")
		account, ok := port.Jump(a.Via.Account)
		if !ok {
			continue // a problem of the file
		}
		a.hop = &Hop{Via: a.Via, Target: netip.AddrPortFrom(host.Address, port.Number), HostKeys: port.HostKeys, Old: port.Old.Algorithms, Login: account.LoginWay()}
	}
}

// Hop is the host that an asset is reached through; nil: none.
func (p *Plant) Hop(asset AssetName) *Hop {
	if a, ok := p.assets[asset]; ok {
		return a.hop
	}
	return nil
}

// LoginWay is how the broker logs in as the account.
func (a Account) LoginWay() Login {
	return Login{Principal: a.principal, By: a.Login, Prompts: a.Prompts}
}

// LoginOf is how the broker logs in at one account of an asset, of those that
// windows name or of those for jumps.
func (p *Plant) LoginOf(asset AssetName, name AccountName) (Account, bool) {
	a, ok := p.assets[asset]
	if !ok {
		return Account{}, false
	}
	port, _ := a.Port("ssh")
	if one, ok := port.Account(name); ok {
		return one, true
	}
	return port.Jump(name)
}

// weakly says in one sentence which machines among these are spoken to with old
// algorithms; empty: none.
func (p *Plant) weakly(targets []Target) string {
	var said []string
	seen := map[AssetName]bool{}
	for _, t := range targets {
		a := p.assets[t.Asset]
		if a == nil {
			continue
		}
		var ways []*Asset
		if t.Port == "ssh" || t.Port == "sftp" {
			ways = append(ways, a)
		}
		if host := p.assets[a.Via.Asset]; host != nil {
			ways = append(ways, host)
		}
		for _, one := range ways {
			if port, _ := one.Port("ssh"); port.Old.Is() && !seen[one.Name] {
				seen[one.Name] = true
				said = append(said, fmt.Sprintf("%s is spoken to in old, weak SSH (%s): %s; %s answers for it, review %s.",
					one.Name, strings.Join(port.Old.Algorithms, ", "), strings.TrimRight(port.Old.Why, "."), port.Old.Owner, port.Old.Review.Format(time.DateOnly)))
			}
		}
	}
	if len(said) > mostNamed {
		said = append(said[:mostNamed], fmt.Sprintf("And %d more machines.", len(said)-mostNamed))
	}
	return strings.Join(said, " ")
}
