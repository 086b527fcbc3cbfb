package audit

import "time"

// KioskEnrolled: a browser of a control room, known by the SHA-256 of its client
// certificate, may take access away (pause, cut, block, island) without a
// person's sign-in, until Until or until it is revoked. It gives nothing.
type KioskEnrolled struct {
	Kiosk       string    `json:"kiosk"` // K-1
	Name        string    `json:"name"`
	Certificate Hash      `json:"certificate"`
	Until       time.Time `json:"until"`
	By          string    `json:"by"`
	At          time.Time `json:"at"`
}
type KioskRevoked struct {
	Kiosk string    `json:"kiosk"`
	By    string    `json:"by"`
	Why   string    `json:"why,omitempty"`
	At    time.Time `json:"at"`
}

var _ = events(KioskEnrolled{}, KioskRevoked{})

func (KioskEnrolled) Type() string { return "kiosk.enrolled" }
func (KioskRevoked) Type() string  { return "kiosk.revoked" }
