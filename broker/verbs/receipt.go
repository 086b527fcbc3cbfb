package verbs

import (
	"errors"
	"strconv"

	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/policy"
)

// receipt is that of what this call has just done; "" where none can be given:
// what was done stays done, and receipt INDEX gives it later.
func (c *call) receipt() (text string, at audit.Index) {
	if c.Receipts == nil {
		return "", 0
	}
	text, at, err := c.Receipts.Since(c.ctx, c.mark, string(c.by.Person))
	if err != nil {
		return "", 0
	}
	return text, at
}

// receiptLine tells a person how to get it: it is too long to be read.
func (c *call) receiptLine() {
	if text, at := c.receipt(); text != "" {
		c.printf("The broker's receipt of this: %s\n", c.command("desk", "receipt "+strconv.FormatUint(uint64(at), 10)))
	}
}

func (c *call) showReceipt() error {
	word := c.args.rest(0)
	at, err := strconv.ParseUint(word, 10, 53)
	if err != nil || c.Receipts == nil {
		return usage("Say which leaf, by its index: " + c.command("desk", "receipt 41"))
	}
	text, err := c.Receipts.Again(c.ctx, audit.Index(at), string(c.by.Person))
	if errors.Is(err, receipt.ErrNotTheirs) {
		return &policy.Refusal{Rule: "no-receipt", Say: "There is no receipt of that leaf for you. Receipts are of your own requests, withdrawals and hand-backs.",
			Why: string(c.by.Person) + " asked for the receipt of leaf " + word}
	}
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(map[string]string{"receipt": text})
		return nil
	}
	c.printf("%s\n", text)
	return nil
}
