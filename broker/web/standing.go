package web

import (
	"net/http"
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
	out.Networks, err = people.Networks(strings.Join(m.Networks, " "))
	return out, err
}
