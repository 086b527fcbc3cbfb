package policy

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/policy/source"
)

// What becomes of a window that loses a gate or its escort.
const (
	LossPause = "pause" // input waits until somebody lets it go on
	LossEnd   = "end"   // it ends at once
)

// Conditions are what must be so while a window runs, by all rules that match.
type Conditions struct {
	Gates      []GateAsked // by name
	Escort     bool
	EscortEnds bool // losing the escort ends the window
}

// GateAsked is one gate that the rules ask; Ends: losing it ends the window.
type GateAsked struct {
	Name string
	Ends bool
}

// Conditions are those of a window with these targets and rights: what Decide
// asks when it is opened, and of any channel in it. What a rule says about a
// loss counts for the rule's own gates and escort; of several the strictest.
func (p *Plant) Conditions(targets []Target, rights Rights) Conditions {
	var c Conditions
	ends := map[string]bool{}
	for _, t := range targets {
		a, ok := p.assets[t.Asset]
		if !ok {
			continue
		}
		for _, r := range a.rules {
			if !r.matches(a, t.Port, rights|Look) && (t.Port != "ssh" || !r.matches(a, "sftp", rights|Look)) { // files pass by the ssh port's login
				continue
			}
			for _, g := range r.Gates {
				ends[g] = ends[g] || r.OnLoss == LossEnd
			}
			c.Escort = c.Escort || r.Escort
			c.EscortEnds = c.EscortEnds || r.Escort && r.OnLoss == LossEnd
		}
	}
	for name, e := range ends {
		c.Gates = append(c.Gates, GateAsked{name, e})
	}
	slices.SortFunc(c.Gates, func(a, b GateAsked) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// With adds gates that an agreement asks besides; losing one pauses.
func (c Conditions) With(gates []string) Conditions {
	for _, name := range gates {
		if !slices.ContainsFunc(c.Gates, func(g GateAsked) bool { return g.Name == name }) {
			c.Gates = append(c.Gates[:len(c.Gates):len(c.Gates)], GateAsked{Name: name})
		}
	}
	slices.SortFunc(c.Gates, func(a, b GateAsked) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// MayEscort says whether one of these roles may watch work on an asset as its
// escort: the shift or the owner of its zone, or OT security.
func (p *Plant) MayEscort(roles []Role, asset AssetName) bool {
	if slices.Contains(roles, security) {
		return true
	}
	a, ok := p.assets[asset]
	if !ok {
		return false
	}
	z := p.zones[a.Zone]
	return slices.Contains(roles, z.Owner) || slices.Contains(roles, z.Opener())
}

// gates reads the inputs and words that rules can ask for.
func (f *file) gates(v source.Value) {
	for _, e := range f.named(v, "gate") {
		s := e.Fields("name", "kind", "at", "pointer", "is", "cert", "stale", "by", "safety", "stand_in", "stands")
		f.where["gate/"+e.Key] = e.Name
		g := Gate{Name: e.Key, Title: s.Need("name").Text(), Kind: s.Need("kind").OneOf(GateCoil, GateInput, GateHTTP, GateManual, GateOutage),
			At: s.Get("at").Text(), Pointer: s.Get("pointer").Text(), Is: s.Get("is").Text(), Cert: strings.ToLower(s.Get("cert").Text()),
			Stale: s.Get("stale").Duration(time.Second, 24*time.Hour), By: f.team(s.Get("by")), Safety: s.Get("safety").Bool(), StandIn: f.team(s.Get("stand_in"))}
		g.Stands = LineName(f.mention(s.Get("stands"), "line"))
		if g.Kind == GateManual && g.Stands != "" {
			s.Get("stands").Refuse("what is said for one window says nothing about a line", "write it at a gate that an input says, or an outage")
		}
		if g.Safety && s.Get("stand_in").Here() {
			s.Get("stand_in").Refuse("nobody stands in for a safety gate", "leave stand_in: out")
		}
		if g.Read() {
			readGate(e, s, g)
		} else {
			saidGate(e, s, g)
		}
		f.plant.Gates = append(f.plant.Gates, g)
	}
}

// readGate holds a gate that an input says to its fields.
func readGate(e source.Entry, s source.Fields, g Gate) {
	at, is := s.Get("at"), s.Get("is")
	switch {
	case g.Kind == GateHTTP && !at.Here():
		e.Name.Refuse("an http gate says where it is read", "at: https://10.20.1.9/state")
	case g.Kind == GateHTTP && !validInput(g.At):
		at.Refuse(fmt.Sprintf("%.100q is no address to read", g.At), "write http:// or https://, an IP address and a path, without a name and password, such as https://10.20.1.9/state")
	case g.Kind != GateHTTP && !at.Here():
		e.Name.Refuse("a "+g.Kind+" gate says where its "+strings.TrimPrefix(g.Kind, "modbus-")+" is", "at: address:port/unit/number, such as 10.20.1.9:502/1/5")
	case g.Kind != GateHTTP && !validCoil(g.At):
		at.Refuse(fmt.Sprintf("%q is no %s", g.At, strings.TrimPrefix(g.Kind, "modbus-")), "write address:port/unit/number, such as 10.20.1.9:502/1/5")
	}
	switch {
	case !s.Get("stale").Here():
		e.Name.Refuse("a gate that is read says after how long its last value counts no more", "stale: 10s")
	case g.Stale > time.Hour:
		s.Get("stale").Refuse("what was read an hour ago says nothing about now", "stale: 10s")
	case g.Kind == GateHTTP && g.Is == "":
		e.Name.Refuse("an http gate says which value means yes", "is: stopped")
	case g.Kind != GateHTTP && is.Here() && g.Is != "on" && g.Is != "off":
		is.Refuse(fmt.Sprintf("%.40q is nothing that it could be", g.Is), `is: "on" or is: "off"`)
	case g.Pointer != "" && !strings.HasPrefix(g.Pointer, "/"):
		s.Get("pointer").Refuse("a JSON pointer begins with a slash (RFC 6901)", "pointer: /line-1/state")
	case g.Cert != "" && (!certHash.MatchString(g.Cert) || !strings.HasPrefix(g.At, "https:")):
		s.Get("cert").Refuse("this is the SHA-256 of the certificate of an https input: 64 hex digits", "openssl x509 -noout -fingerprint -sha256, without the colons")
	}
	for _, key := range []string{"pointer", "cert"} {
		if g.Kind != GateHTTP && s.Get(key).Here() {
			s.Get(key).Refuse("only an http gate has "+key, "leave it out")
		}
	}
	if s.Get("by").Here() {
		s.Get("by").Refuse("an input says this gate, and no person", "leave by: out; who may stand in for it: stand_in")
	}
}

// saidGate holds a gate that a person says to its fields.
func saidGate(e source.Entry, s source.Fields, g Gate) {
	if s.Get("at").Here() {
		s.Get("at").Refuse("a "+g.Kind+" gate is a person's word and stands nowhere", "leave at: out")
	}
	for _, key := range []string{"pointer", "is", "cert"} {
		if s.Get(key).Here() {
			s.Get(key).Refuse("a "+g.Kind+" gate is a person's word and is not read", "leave "+key+": out")
		}
	}
	if g.Kind == GateOutage && (!s.Get("by").Here() || !s.Get("stale").Here()) {
		e.Name.Refuse("an outage gate says who may say that it runs, and for how long that counts", "by: shift, stale: 12h")
	}
}

var certHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// validCoil holds a Modbus gate's place to address:port/unit/number.
func validCoil(s string) bool {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return false
	}
	at, err := netip.ParseAddrPort(parts[0])
	unit, errUnit := strconv.ParseUint(parts[1], 10, 8)
	_, errCoil := strconv.ParseUint(parts[2], 10, 16)
	return err == nil && at.Port() != 0 && at.Addr().Zone() == "" && errUnit == nil && unit <= 247 && errCoil == nil
}

// validInput holds an http gate's place to an IP address: a name would let
// whoever answers for names answer for the gate.
func validInput(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	port, errPort := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && at.Zone() == "" && !at.IsUnspecified() && !at.IsMulticast() && (u.Port() == "" || errPort == nil && port != 0)
}
