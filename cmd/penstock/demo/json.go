package demo

import (
	"encoding/json"
	"strings"
)

// says is the demo for programs: all that one needs to play the story over API
// and ssh, and nothing that must be read off the screen.
type says struct {
	Dir    string `json:"dir"`
	Broker struct {
		Name        string `json:"name"`
		SSH         string `json:"ssh"`
		HTTPS       string `json:"https"`             // of the pages; the API is below /api/v1
		Fingerprint string `json:"https_fingerprint"` // SHA-256 of the certificate
		Socket      string `json:"socket"`
		Config      string `json:"config"`
		Plant       string `json:"plant"`
		Data        string `json:"data"`
		Log         string `json:"log"`
	} `json:"broker"`
	Panel    string         `json:"panel"` // the line; POST panel/fault stops it
	Machines []machineSays  `json:"machines"`
	People   []personSays   `json:"people"`
	Files    map[string]any `json:"files"`
	Next     []string       `json:"next"` // lines for a shell in dir, with the file env read
}

type machineSays struct {
	Asset    string   `json:"asset"`
	Port     string   `json:"port"`
	Address  string   `json:"address"`
	Accounts []string `json:"accounts,omitempty"`
	Unit     int      `json:"unit,omitempty"`
}

type personSays struct {
	Name      string   `json:"name"`
	FullName  string   `json:"full_name"`
	Firm      string   `json:"firm"`
	Roles     []string `json:"roles"`
	Password  string   `json:"password"`
	Secret    string   `json:"totp_secret"`
	Code      []string `json:"code"` // command that prints a code which was not given yet
	Home      string   `json:"home"`
	SSHConfig string   `json:"ssh_config"`
}

// printJSON says for programs what runs where and how each person signs in.
func (d *show) printJSON() error {
	var s says
	s.Dir = string(d.folder)
	b := &s.Broker
	b.Name, b.SSH, b.HTTPS, b.Fingerprint, b.Socket = brokerName, d.o.SSH, "https://"+d.o.HTTPS, d.broker.print, d.folder.socket()
	b.Config, b.Plant, b.Data, b.Log = d.folder.at("penstock.yaml"), d.folder.at("plant.yaml"), d.folder.at("data"), d.folder.at("penstock.log")
	s.Panel = "http://" + d.ground.address(panelPlace)
	s.Machines = []machineSays{
		{"filler-plc", "ssh", d.ground.address(fillerSSH), []string{"viewer", "recipes", "maint"}, 0},
		{"filler-plc", "modbus", d.ground.address(fillerModbus), nil, 1},
		{"capper-drive", "modbus", d.ground.address(capperModbus), nil, 3},
		{"line-1-ews", "ssh", d.ground.address(stationSSH), []string{"service"}, 0},
	}
	for _, c := range cast {
		p := d.players[c.Name]
		config, _ := d.folder.sshFiles(c.Name)
		roles := append([]string{}, c.Roles...)
		s.People = append(s.People, personSays{c.Name, c.Full, c.Firm, roles, p.Password, p.Secret,
			[]string{d.o.Self, "demo", "code", c.Name, "--dir", string(d.folder)}, p.Home, config})
	}
	s.Files = map[string]any{"ssh_config": d.folder.at("ssh_config"), "known_hosts": d.folder.at("known_hosts"),
		"certificate": d.folder.at(certificateFile), "env": d.folder.at("env")}
	for _, step := range d.steps() {
		s.Next = append(s.Next, strings.ReplaceAll(step.line, " \\\n    ", " "))
	}
	e := json.NewEncoder(d.o.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(s)
}
