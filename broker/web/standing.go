package web

import (
	"net/http"
	"net/netip"
	"strings"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// standings are the machines' agreements of the API.
func (s *server) standings(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/standing", s.signedIn(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Desk.Standings(r.Context(), a)
		return each(list, err, func(one approvals.Standing) api.Standing {
			return api.Standing{Window: windowJSON(one.Window), Owners: words(one.Owners), Most: one.Most}
		})
	}))
}

func machineJSON(b evidence.Bound) *api.Machine {
	if !b.Is() {
		return nil
	}
	return &api.Machine{Frame: b.Frame, Key: b.Key, Keeper: b.Keeper, Networks: b.Networks}
}

func machineOf(m *api.Machine) (out approvals.Machine, err error) {
	if m == nil {
		return out, nil
	}
	out = approvals.Machine{Frame: m.Frame, Keeper: policy.PersonID(m.Keeper)}
	out.Networks, err = prefixes(strings.Join(m.Networks, " "))
	return out, err
}

// prefixes reads networks that somebody typed, with spaces, commas or lines
// between them; an address alone is a network of one.
func prefixes(text string) (all []netip.Prefix, err error) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r <= ' ' }) {
		p, err := netip.ParsePrefix(word)
		if a, alone := netip.ParseAddr(word); alone == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, &policy.Refusal{Rule: "standing-network", Say: "That is no network: write 198.51.100.7 or 198.51.100.0/28.", Why: err.Error()}
		}
		all = append(all, p)
	}
	return all, nil
}
