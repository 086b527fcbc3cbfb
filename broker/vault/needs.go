package vault

import (
	"context"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Roster says who may set and read secrets; *people.Roster is it.
type Roster interface {
	// MaySeal is nil for somebody of OT security with a code of the last five minutes.
	MaySeal(context.Context, people.Actor) (people.Person, error)
	// MaySee is nil for an active person of the plant.
	MaySee(context.Context, people.Actor) error
}

// Log is what the Vault needs of audit.Log beside its Journal.
type Log interface {
	// Append returns once the event is durable; an error is final.
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Machine logs in at a target for the broker itself; broker/dial has it.
type Machine interface {
	// Try is nil if the secret logs in. A *policy.Refusal with the rule
	// "target-login": the target was reached, showed its pinned key and said no.
	// Any other error says nothing about the secret.
	Try(ctx context.Context, asset policy.AssetName, account policy.AccountName, s Secret) error
	// Tell logs in with the secret, runs the command ("": the account's shell),
	// gives it the lines and waits for its end. An error says nothing about
	// whether the target was changed.
	Tell(ctx context.Context, asset policy.AssetName, account policy.AccountName, s Secret, run string, lines []string) error
}
