package approvals

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// mostElsewhere bounds what is said of work outside a list.
const mostElsewhere = 100

// elsewhere are conflicts of a list's rows with work that is on no list, or on
// another: requests that wait, and windows that are agreed or run. They are as of
// now and so in no signed text; whoever takes such a row looks at it by itself all
// the same (listAnswer). own says which requests are the list's.
func (d *Desk) elsewhere(ctx context.Context, texts map[string]evidence.Request, own func(id string, doc evidence.Request) bool) (list []evidence.Conflict, err error) {
	plant, rows := d.plant(), inOrderOf(texts)
	err = d.each(ctx, "request/", func(id string) error {
		if len(list) >= mostElsewhere {
			return nil
		}
		doc, name, err := d.otherWork(ctx, id)
		if err != nil || name == "" || own(id, doc) {
			return err
		}
		for _, row := range rows {
			list = append(list, evidence.Elsewhere(plant, texts[row], doc, name)...)
		}
		return nil
	})
	return list[:min(len(list), mostElsewhere)], err
}

// otherWork is what a request comes to, with the times of its window where that
// runs; name is empty where nothing comes of it any more.
func (d *Desk) otherWork(ctx context.Context, id string) (doc evidence.Request, name string, err error) {
	row, err := d.requestRow(ctx, policy.RequestID(id))
	if err != nil || !row.waits() && row.State != RequestAgreed {
		return doc, "", err
	}
	name = "request " + id
	from, to := time.Time{}, time.Time{}
	if row.Window != "" {
		w, err := d.windowRow(ctx, policy.WindowID(row.Window))
		if err != nil {
			return doc, "", err
		}
		switch w.State {
		case WindowAgreed:
		case WindowOpen, WindowPaused, WindowEnding:
			from, to = w.Opened, w.Until
		default:
			return doc, "", nil
		}
		name = row.Window
	}
	if doc, _, err = d.request(ctx, row.Document); err != nil {
		return doc, "", err
	}
	if !to.IsZero() {
		doc.From, doc.To = from, to
	}
	const form = "Mon 2 Jan 15:04"
	l := d.plant().Location()
	name = fmt.Sprintf("%s of %s, %s to %s", name, doc.Firm, doc.From.In(l).Format(form), doc.To.In(l).Format(form))
	if doc.Outage != "" {
		name += ", in " + doc.Outage
	}
	return doc, name, nil
}

// inOrderOf are the rows of a list by their requests.
func inOrderOf(texts map[string]evidence.Request) (rows []string) {
	for id := range texts {
		rows = append(rows, id)
	}
	slices.SortFunc(rows, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return rows
}

// lookAt adds to what is unusual of a row its conflicts elsewhere.
func lookAt(look []string, row string, list []evidence.Conflict) []string {
	look = slices.Clone(look)
	for _, c := range list {
		if say := strings.TrimSuffix(c.Say, "."); slices.Contains(c.Rows, row) && !slices.Contains(look, say) {
			look = append(look, say)
		}
	}
	return look
}
