package dial

import (
	"net/netip"

	"penstock/broker/vault"
	"penstock/policy"
)

// What tests look at from outside.
var (
	ParsePins     = parsePins
	PinAlgorithms = pinAlgorithms
	Reach         = reach
)

// Allowed is allowed.
func (d *Dialer) Allowed(to netip.AddrPort) error { return d.allowed(to) }

// Answers is what a target's prompts are given by these of the plant file, and
// whether the secret was asked for.
func Answers(prompts []policy.Prompt, questions []string, echos []bool, secret string) (out []string, opened bool, err error) {
	l := leg{account: "maint", login: policy.Login{By: policy.LoginPassword, Prompts: prompts}}
	out, err = (&credential{}).answers(l, questions, echos, func() (vault.Secret, error) { opened = true; return vault.Secret(secret), nil })
	return out, opened, err
}
