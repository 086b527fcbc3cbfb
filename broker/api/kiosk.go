package api

import "time"

// KioskAsk enrols a browser of the control room by its client certificate, in PEM
// form and without its key. Until empty: as long as the certificate, at most 398 days.
type KioskAsk struct {
	Name        string    `json:"name"`
	Certificate string    `json:"certificate"`
	Until       time.Time `json:"until,omitzero"`
}

// Kiosk is one of them. Certificate is the SHA-256 of its DER form.
type Kiosk struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Certificate string    `json:"certificate"`
	Until       time.Time `json:"until"`
	By          string    `json:"by"`
	Revoked     string    `json:"revoked,omitempty"`
}
