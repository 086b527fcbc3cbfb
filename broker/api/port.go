package api

// Port is one line of a firewall request: all of them are TCP, and by default nothing else is let through.
type Port struct {
	Side        string   `json:"side"` // vendor: the vendor's own firewall; plant: the plant's
	Source      string   `json:"source"`
	Destination string   `json:"destination"`       // name or tag
	Address     string   `json:"address,omitempty"` // empty: the destination's name resolves to it
	Port        int      `json:"port"`
	Direction   string   `json:"direction"` // "in to dmz", "dmz to line-1", "out of line-1"
	What        string   `json:"what"`      // SSH, HTTPS, modbus …
	Why         string   `json:"why"`
	Owners      []string `json:"owners"` // who answers for it, by role
}
