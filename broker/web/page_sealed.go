package web

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"penstock/audit/recording"
	"penstock/audit/review"
)

// sealedView is what a page says of a sealed recording.
type sealedView struct {
	To     []string // the auditors, by name
	Until  stamp    // open for this sign-in until then; zero: it is not
	Script bool     // this build has what opens it in a browser
}

// hasUnsealer: like the player's, its bundle is built and not in the repository.
var hasUnsealer = func() bool {
	_, err := fs.Stat(staticFiles, "static/unseal.js")
	return err == nil
}()

// sealedOf is nil for a readable recording.
func (g *Pages) sealedOf(v *visit, n roll, h recording.Header) *sealedView {
	if h.Mode != "sealed" {
		return nil
	}
	s := &sealedView{Script: hasUnsealer}
	for _, id := range h.SealedTo {
		s.To = append(s.To, n.person(personID(id)))
	}
	if until := g.Book.Unsealed(v.s.holder(), h.Session); !until.IsZero() {
		s.Until = v.at(until)
	}
	return s
}

// holder names this sign-in to the Book, so that what one browser opened no
// other can read.
func (s *webSession) holder() string { return hex.EncodeToString(s.key[:]) }

// reader is the person with what this sign-in has opened.
func (v *visit) reader(what, form string) review.Reader {
	r := reader(v.actor, what, form)
	r.Holder = v.s.holder()
	return r
}

// keyFile is the session's key, wrapped to the auditors: what a browser opens with the auditor's own.
func (g *Pages) keyFile(v *visit) error {
	b, err := g.Book.KeyFile(v.ctx(), v.reader("unseal", ""), v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/octet-stream")
	v.w.Header().Set("Content-Disposition", "attachment; filename=keys.age")
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}

// unseal takes the session key, 32 bytes that are the whole body, so that no
// form and no text of it lies about.
func (g *Pages) unseal(v *visit) error {
	var key [33]byte
	defer clear(key[:])
	n, err := io.ReadFull(v.r.Body, key[:])
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != 32 {
		return badCall{errors.New("send the 32 bytes of the session key, and nothing else")}
	}
	if _, err := g.Book.Unseal(v.ctx(), v.reader("unseal", ""), v.r.PathValue("id"), key[:n]); err != nil {
		return err
	}
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

// sealAgain wipes the key before its time.
func (g *Pages) sealAgain(v *visit) error {
	id := v.r.PathValue("id")
	g.Book.Seal(v.s.holder(), id)
	v.s.setFlash(fmt.Sprintf("%.40s is sealed again.", id))
	http.Redirect(v.w, v.r, "/recordings/"+id, http.StatusSeeOther)
	return nil
}
