package audit

import "time"

// AgentInvited: whoever gives the code whose hash is Code, over a key, until
// Until, brings the agent of Zone. An earlier code for it is void.
type AgentInvited struct {
	Zone  string    `json:"zone"`
	By    string    `json:"by"`
	Code  Hash      `json:"code"`
	Until time.Time `json:"until"`
}

// AgentJoined: the code was given over a proven key, which waits for
// AgentConfirmed. Public is its authorized_keys form, Key its fingerprint.
type AgentJoined struct {
	Zone   string `json:"zone"`
	Code   Hash   `json:"code"`
	Key    string `json:"key"`
	Public string `json:"public"`
}

// AgentConfirmed: By has compared the fingerprint where the agent runs. From now
// on the zone is reached through it, and an earlier agent counts no more.
type AgentConfirmed struct {
	Zone string `json:"zone"`
	Key  string `json:"key"`
	By   string `json:"by"`
}

// AgentRemoved: the zone is reached through nobody. It had stopped when this was written.
type AgentRemoved struct {
	Zone string `json:"zone"`
	By   string `json:"by"`
	Why  string `json:"why,omitempty"`
}

// AgentUp and AgentDown: the way into a zone that is reached through its agent
// is there, and is not. They keep no row.
type AgentUp struct {
	Zone   string `json:"zone"`
	Key    string `json:"key"`
	Source string `json:"source"`
}
type AgentDown struct {
	Zone string `json:"zone"`
	Key  string `json:"key"`
	Why  string `json:"why,omitempty"`
}

var _ = events(AgentInvited{}, AgentJoined{}, AgentConfirmed{}, AgentRemoved{}, AgentUp{}, AgentDown{})

func (AgentInvited) Type() string   { return "agent.invited" }
func (AgentJoined) Type() string    { return "agent.joined" }
func (AgentConfirmed) Type() string { return "agent.confirmed" }
func (AgentRemoved) Type() string   { return "agent.removed" }
func (AgentUp) Type() string        { return "agent.up" }
func (AgentDown) Type() string      { return "agent.down" }
