package policy

// Names that people say. Ids of people, firms and assets are
// [a-z][a-z0-9-]{0,31} (DESIGN 5.1); requests, windows and sessions are short
// counters (R-1042, W-17, S-2093).
type (
	ZoneName    string
	LineName    string
	AssetName   string
	PortName    string // "ssh", "modbus", …: unique on its asset
	AccountName string // a login on one asset's port
	FirmID      string
	PersonID    string
	RequestID   string
	WindowID    string
	SessionID   string
	Role        string // a key of the plant file's teams, e.g. "ot-security"
)

// ValidID says whether s may name a person, a firm or an asset:
// [a-z][a-z0-9-]{0,31}.
func ValidID(s string) bool {
	if len(s) == 0 || len(s) > 32 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
