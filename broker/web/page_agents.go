package web

import (
	"net/http"
	"strings"

	"penstock/broker/api"
	"penstock/policy"
)

type agentsView struct {
	Agents   []agentView
	Security bool
	Made     *invitedView // a code, shown once
	File     string       // of the zone that it is for
	Known    string       // the line of known_hosts
}

type agentView struct {
	api.Agent
	By           string
	Since, Until stamp
	MayConfirm   bool
}

func (g *Pages) agentsPage(v *visit) error { return g.showAgents(v, agentsView{}) }

func (g *Pages) showAgents(v *visit, view agentsView) error {
	all, err := g.agentsOf(v.r)
	if err != nil {
		return err
	}
	n, err := g.roll(v.ctx())
	if err != nil {
		return err
	}
	view.Security = v.actor.Has("ot-security")
	for _, a := range all {
		one := agentView{Agent: a, Since: v.at(a.Since), Until: v.at(a.Invited)}
		if a.By != "" {
			one.By = n.person(policy.PersonID(a.By))
		}
		one.MayConfirm = a.By != string(v.actor.Person) && len(v.actor.Roles) > 0
		view.Agents = append(view.Agents, one)
	}
	a := g.Authorities()
	view.Known = "@cert-authority " + a.Name + " " + a.Host
	return g.show(v, http.StatusOK, "agents", "Agents", view)
}

func (g *Pages) agentInvite(v *visit) error {
	a, err := g.inviteAgent(v.r, v.actor, policy.ZoneName(v.r.PathValue("zone")))
	if err != nil {
		return err
	}
	return g.showAgents(v, agentsView{File: a.File, Made: &invitedView{Name: a.Title, Code: a.Code, Until: v.at(a.Invited), Line: "penstock agent join --config agent.yaml"}})
}

func (g *Pages) agentConfirm(v *visit) error {
	if err := g.confirmAgent(v.r, v.actor, policy.ZoneName(v.r.PathValue("zone")), v.r.PostForm.Get("key")); err != nil {
		return err
	}
	return g.done(v, "/agents", "Confirmed. The zone is reached through this agent from now on.")
}

func (g *Pages) agentRemove(v *visit) error {
	if err := g.removeAgent(v.r, v.actor, policy.ZoneName(v.r.PathValue("zone")), strings.TrimSpace(v.r.PostForm.Get("why"))); err != nil {
		return err
	}
	return g.done(v, "/agents", "Removed. Nobody reaches the zone until another agent is there.")
}

// agentsDown are sentences for the board: ways into zones that are not there.
func (g *Pages) agentsDown(v *visit) (all []string) {
	for _, z := range v.plant.Zones {
		if !z.ByAgent || g.Agents.State == nil {
			continue
		}
		st := g.Agents.State(z.Name)
		switch {
		case st.Up:
		case st.Since.IsZero():
			all = append(all, z.Title+": its agent has not been here since the broker started. Nobody reaches the machines there.")
		default:
			all = append(all, z.Title+": its agent is gone since "+v.at(st.Since).Text()+". Nobody reaches the machines there.")
		}
	}
	return all
}
