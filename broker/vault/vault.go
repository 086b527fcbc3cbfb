// Package vault names the secrets by which the broker logs in at targets that
// know no certificates, and on whose behalf one is used.
package vault

import "penstock/policy"

// Secret is a password, or a private key in OpenSSH's form. Whoever holds one
// writes it nowhere.
type Secret []byte

// Use is one use of an account's secret: in a channel of a vendor's session, or
// without one on an errand of the broker's own.
type Use struct {
	Asset   policy.AssetName
	Account policy.AccountName
	Window  policy.WindowID
	Session policy.SessionID
	Channel int
}
