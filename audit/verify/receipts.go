package verify

import (
	"context"
	"fmt"

	"penstock/audit"
	"penstock/audit/receipt"
)

// receipts holds what people kept to the log. The tree that each was signed
// over becomes a mark, as if it had been a checkpoint kept outside.
func (c *checker) receipts(ctx context.Context, r *audit.Reader) ([]*mark, error) {
	if len(c.trust.Receipts) == 0 {
		return nil, nil
	}
	var keys receipt.Keys
	if c.trust.ReceiptKeys != nil {
		var err error
		if keys, err = receipt.ParseKeys(c.trust.ReceiptKeys); err != nil {
			return nil, fmt.Errorf("the keys of receipts as given: %w", err)
		}
	}
	held, err := receipt.Hold(ctx, r, keys, c.trust.Receipts...)
	if err != nil {
		return nil, err
	}
	var marks []*mark
	for i, h := range held {
		name := fmt.Sprintf("receipt %d", i+1)
		for _, w := range h.Wrong {
			c.wrong(name, "%s", w)
		}
		if cp, ok := h.Checkpoint(); ok && len(h.Wrong) == 0 {
			marks = append(marks, &mark{Checkpoint: cp, name: name, receipt: true})
		}
	}
	if keys == nil {
		c.note("log", "the keys of receipts are those that the log names: who keeps a copy of the broker's receipt.pub gives it (--receipt-keys)")
	}
	return marks, nil
}
