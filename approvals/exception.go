package approvals

import (
	"context"
	"fmt"
	"strings"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// excepts refuses an exception that nothing stands against.
func excepts(doc evidence.Request) error {
	if doc.Kind == evidence.Exception && len(doc.Waives) == 0 {
		return refuse("exception", "No calendar and no length stands against this. Ask as usual.")
	}
	return nil
}

// exceptionDebts are the exceptions that are agreed, or run: each ends by itself.
func (d *Desk) exceptionDebts(ctx context.Context) (debts []policy.Debt, err error) {
	err = d.each(ctx, "window/", func(id string) error {
		if d.noMachine(id, false) {
			return nil
		}
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil || !w.runs() && w.State != WindowAgreed {
			return err
		}
		claim, err := d.claim(ctx, w)
		if err != nil || !claim.Exception {
			return err
		}
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return err
		}
		end := claim.To
		if w.runs() {
			end = w.Until
		}
		debts = append(debts, policy.Debt{Kind: "exception", What: id + " " + w.Firm, Since: claim.From,
			Text: fmt.Sprintf("waives %s until %s: %s", strings.Join(doc.Waives, ", "), end.In(d.plant().Location()).Format("2 Jan 15:04"), doc.Reason)})
		return nil
	})
	return debts, err
}
