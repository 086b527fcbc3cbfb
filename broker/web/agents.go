package web

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// AgentState is how the line of one zone's agent stands.
type AgentState struct {
	Up      bool
	Since   time.Time // zero: not seen since the broker started
	Source  string
	Streams int
}

// AgentLines are the lines of zones that dial out.
type AgentLines struct {
	State func(policy.ZoneName) AgentState
	Drop  func(policy.ZoneName) // at once; waits for nothing
}

// agentsOf are all zones that are reached through an agent, and agents of zones
// that are so no longer.
func (s *server) agentsOf(r *http.Request) ([]api.Agent, error) {
	enrolled, err := s.Roster.Agents(r.Context())
	if err != nil {
		return nil, err
	}
	plant := s.Plant()
	all := []api.Agent{}
	for _, z := range plant.Zones {
		has := slices.ContainsFunc(enrolled, func(a people.Agent) bool { return a.Zone == z.Name })
		if z.ByAgent && !has {
			enrolled = append(enrolled, people.Agent{Zone: z.Name})
		}
	}
	slices.SortFunc(enrolled, func(a, b people.Agent) int { return strings.Compare(string(a.Zone), string(b.Zone)) })
	for _, a := range enrolled {
		z, _ := plant.Zone(a.Zone)
		if !z.ByAgent && a.Key == "" && a.Pending == "" && a.Code.IsZero() {
			continue // removed, and the zone is dialled
		}
		one := api.Agent{Zone: string(a.Zone), Title: z.Title, Key: a.Key, Pending: a.Pending, By: string(a.By), File: s.agentFile(a.Zone)}
		if !a.Code.IsZero() && s.Now().Before(a.Until) {
			one.Invited = a.Until
		}
		if s.Agents.State != nil {
			st := s.Agents.State(a.Zone)
			one.Up, one.Since, one.Source, one.Streams = st.Up, st.Since, st.Source, st.Streams
		}
		all = append(all, one)
	}
	return all, nil
}

// agentFile is the agent's own file for a zone, with the machines that the plant
// file has there: whoever installs it strikes out what it shall not reach.
func (s *server) agentFile(zone policy.ZoneName) string {
	a := s.Authorities()
	var b strings.Builder
	fmt.Fprintf(&b, "broker: %s\nzone: %s\nallow:\n", net.JoinHostPort(a.Name, strconv.Itoa(max(a.Port, 22))), zone)
	for _, asset := range s.Plant().Assets {
		if asset.Zone != zone || asset.Safety != "" {
			continue
		}
		for _, p := range asset.Ports {
			fmt.Fprintf(&b, "  - %s   # %s %s\n", net.JoinHostPort(asset.Address.String(), strconv.Itoa(int(p.Number))), asset.Name, p.Name)
		}
	}
	return b.String()
}

func (s *server) inviteAgent(r *http.Request, a people.Actor, zone policy.ZoneName) (api.Agent, error) {
	code, until, err := s.Roster.InviteAgent(r.Context(), a, zone)
	if err != nil {
		return api.Agent{}, err
	}
	z, _ := s.Plant().Zone(zone)
	return api.Agent{Zone: string(zone), Title: z.Title, By: string(a.Person), Invited: until, Code: code, File: s.agentFile(zone)}, nil
}

// confirmAgent drops the line of an earlier agent too: its key counts no more.
func (s *server) confirmAgent(r *http.Request, a people.Actor, zone policy.ZoneName, key string) error {
	if err := s.Roster.ConfirmAgent(r.Context(), a, zone, key); err != nil {
		return err
	}
	s.dropAgent(zone)
	return nil
}

func (s *server) removeAgent(r *http.Request, a people.Actor, zone policy.ZoneName, why string) error {
	if err := s.Roster.MayRemoveAgent(r.Context(), a); err != nil {
		return err
	}
	s.dropAgent(zone) // first: taking waits for nothing
	err := s.Roster.RemoveAgent(r.Context(), a, zone, why)
	s.dropAgent(zone) // one that came back meanwhile
	return err
}

func (s *server) dropAgent(zone policy.ZoneName) {
	if s.Agents.Drop != nil {
		s.Agents.Drop(zone)
	}
}

func (s *server) agents(mux *http.ServeMux) {
	zone := func(r *http.Request) policy.ZoneName { return policy.ZoneName(r.PathValue("zone")) }
	one := func(r *http.Request, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		all, err := s.agentsOf(r)
		if i := slices.IndexFunc(all, func(a api.Agent) bool { return a.Zone == r.PathValue("zone") }); i >= 0 {
			return all[i], err
		}
		return api.Agent{Zone: r.PathValue("zone")}, err
	}
	mux.HandleFunc("GET /api/v1/agents", s.plant(func(r *http.Request, _ people.Actor) (any, error) { return s.agentsOf(r) }))
	mux.HandleFunc("POST /api/v1/agents/{zone}/invite", s.plant(func(r *http.Request, a people.Actor) (any, error) { return s.inviteAgent(r, a, zone(r)) }))
	mux.HandleFunc("POST /api/v1/agents/{zone}/confirm", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err == nil {
			err = s.confirmAgent(r, a, zone(r), step.Key)
		}
		return one(r, err)
	}))
	mux.HandleFunc("POST /api/v1/agents/{zone}/remove", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err == nil {
			err = s.removeAgent(r, a, zone(r), step.Why)
		}
		return one(r, err)
	}))
}
