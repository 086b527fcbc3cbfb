package web

import (
	"net/http"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// portsView is one side's firewall.
type portsView struct {
	Title string
	Rows  []api.Port
}

// portList is the firewall request as the running files have it.
func (s *server) portList() ([]api.Port, error) {
	if s.Ports == nil {
		return []api.Port{}, nil
	}
	return s.Ports(), nil
}

func (s *server) ports(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/ports", s.plant(func(_ *http.Request, a people.Actor) (any, error) {
		if len(a.Roles) == 0 {
			return nil, errNoRole
		}
		return s.portList()
	}))
}

var errNoRole = &policy.Refusal{Rule: "role-needed", Say: "This is for people of the plant with a role. OT security gives roles: ask one of them.", Why: "the actor holds no role"}

func (g *Pages) portsPage(v *visit) error {
	if len(v.actor.Roles) == 0 {
		return errNoRole
	}
	all, err := g.portList()
	if err != nil {
		return err
	}
	view := []portsView{}
	for _, side := range []portsView{{Title: "The plant's firewalls"}, {Title: "The vendors' firewalls"}} {
		want := map[bool]string{true: "plant", false: "vendor"}[len(view) == 0]
		for _, r := range all {
			if r.Side == want {
				side.Rows = append(side.Rows, r)
			}
		}
		if len(side.Rows) > 0 {
			view = append(view, side)
		}
	}
	return g.show(v, http.StatusOK, "ports", "Ports", view)
}
