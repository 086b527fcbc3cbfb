package api

import "time"

// Asset is a machine, for a list.
type Asset struct {
	Name     string   `json:"name"`
	Tag      string   `json:"tag"`
	Title    string   `json:"title"`
	Zone     string   `json:"zone"`
	Level    string   `json:"level"`
	Maker    string   `json:"maker,omitempty"`
	Model    string   `json:"model,omitempty"`
	Firmware string   `json:"firmware,omitempty"`
	Stops    []string `json:"stops,omitempty"`
}

// AssetQuestions is what a plant asks about one machine.
type AssetQuestions struct {
	Asset
	At         time.Time     `json:"at"` // of the reach
	Owner      string        `json:"owner"`
	Opener     string        `json:"opener"`           // whose word lets work begin
	Backup     *AssetBackup  `json:"backup,omitempty"` // the last that is known
	StopsAll   []Stop        `json:"stops_all"`
	Interlocks []Interlock   `json:"interlocks"`
	Neighbours []string      `json:"neighbours"` // the others in its zone
	Same       []string      `json:"same_firmware"`
	Reach      []Reach       `json:"reach"`
	InThen     []AssetWindow `json:"in_then"` // windows that were open at that moment
	History    []AssetWindow `json:"history"` // the newest windows on it
}

// Stop is a line that stops with the machine; By is the line that it is fed by.
type Stop struct {
	Line        string `json:"line"`
	Title       string `json:"title"`
	Criticality int    `json:"criticality"`
	By          string `json:"by,omitempty"`
}

// Interlock trips an asset when another one fails or is in the way.
type Interlock struct {
	Name  string `json:"name"`
	Of    string `json:"of"`
	Trips string `json:"trips"`
}

// Reach is one way in, and what keeps a vendor out of it at that moment: empty,
// if everybody says yes, nothing does.
type Reach struct {
	Target
	Rights  []string `json:"rights,omitempty"`
	Needs   []Need   `json:"needs,omitempty"`
	Refused string   `json:"refused,omitempty"`
	Say     string   `json:"say,omitempty"`
}

// AssetWindow is what was done on a machine.
type AssetWindow struct {
	Window   string    `json:"window"`
	Firm     string    `json:"firm"`
	People   []string  `json:"people"`
	State    string    `json:"state"`
	Rights   []string  `json:"rights"`
	Opened   time.Time `json:"opened,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Reason   string    `json:"reason"`
	HandBack string    `json:"hand_back,omitempty"`
}

// Debt is something that the plant still owes.
type Debt struct {
	Kind  string    `json:"kind"`
	What  string    `json:"what"`
	Text  string    `json:"text"`
	Since time.Time `json:"since,omitzero"`
	Days  int       `json:"days,omitempty"`
}

// AssetBackup is a machine's last backup. By is who said so; empty: the plant file.
type AssetBackup struct {
	Last  time.Time `json:"last"`
	Where string    `json:"where,omitempty"`
	Tool  string    `json:"tool,omitempty"`
	By    string    `json:"by,omitempty"`
	Days  int       `json:"days,omitempty"` // its age
	Receipted
}
