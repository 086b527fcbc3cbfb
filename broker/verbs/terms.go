package verbs

import (
	"encoding/hex"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// termsMark is how much of the terms' hash a person types, in hex.
const termsMark = 12

func markOf(h audit.Hash) string { return hex.EncodeToString(h[:])[:termsMark] }

// terms prints what the firm's people accept, and how.
func (c *call) terms() error {
	text, hash, err := c.Roster.Terms(c.ctx, c.by.Firm)
	if err != nil {
		return err
	}
	who, err := c.Roster.Person(c.ctx, c.by.Person)
	if err != nil {
		return err
	}
	good := who.Accepted.Terms == hash && !hash.IsZero() && who.Accepted.Until.After(c.now())
	if c.args.json {
		out := map[string]any{"text": text, "accepted": good}
		if !hash.IsZero() {
			out["hash"], out["mark"] = hash.String(), markOf(hash)
		}
		if good {
			out["until"] = who.Accepted.Until
		}
		c.json(out)
		return nil
	}
	if hash.IsZero() {
		c.printf("The plant asks for no terms of your firm.\n")
		return nil
	}
	c.printf("%s\n", text)
	if good {
		c.printf("You have accepted this, to %s.\n", who.Accepted.Until.In(c.Plant().Location()).Format("2 Jan 2006"))
		return nil
	}
	c.printf("If you accept this, type: %s\n", c.command("desk", "accept-terms "+markOf(hash)))
	return nil
}

// acceptTerms takes the person's word for exactly the text that they have read.
func (c *call) acceptTerms() error {
	word := strings.ToLower(c.args.rest(0))
	_, hash, err := c.Roster.Terms(c.ctx, c.by.Firm)
	if err != nil {
		return err
	}
	if hash.IsZero() || word != markOf(hash) {
		return &policy.Refusal{Rule: "other-terms", Say: "These are not the terms of your firm as they are now. Read them first: " + c.command("desk", "terms"), Why: "typed " + word}
	}
	until, err := c.Roster.AcceptTerms(c.ctx, c.by, hash)
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(map[string]any{"hash": hash.String(), "until": until})
		return nil
	}
	c.printf("Accepted, to %s.\n", until.In(c.Plant().Location()).Format("2 Jan 2006"))
	return nil
}
