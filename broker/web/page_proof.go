package web

import (
	"fmt"
	"net/http"

	"penstock/audit"
	"penstock/audit/review"
)

// mostProved is how large a recording may be to be checked while somebody
// waits for the page; bytes. At 300 MB a second this is a second.
const mostProved = 256 << 20

type proofView struct {
	Session, Who string
	Whole        bool
	Said         []string // what is wrong
	TooLarge     string
	Close        string
	Gone         string
}

// proof checks one recording against the log: review.opened{verify}.
func (g *Pages) proof(v *visit) error {
	id := v.r.PathValue("id")
	who := reader(v.actor, "verify", "")
	c, err := g.Book.Check(v.ctx(), who, id, mostProved)
	if err != nil {
		return err
	}
	return g.show(v, http.StatusOK, "proof", "Proof of "+id, proofOf(id, c))
}

func proofOf(id string, c review.Checked) proofView {
	view := proofView{Session: id, Close: c.Close.String()}
	if c.Close == (audit.Hash{}) {
		view.Close = ""
	}
	if c.Skipped > 0 {
		view.TooLarge = bytesText(c.Skipped)
		return view
	}
	for _, f := range c.Findings {
		view.Said = append(view.Said, f.Error())
	}
	if len(view.Said) > 20 {
		view.Said = append(view.Said[:20], fmt.Sprintf("and %d more", len(view.Said)-20))
	}
	view.Whole = len(view.Said) == 0
	return view
}
