package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// doubleTap is how long an equal form is the second tap of the same thumb. It is
// short: who blocks again what somebody else has just lifted means it.
const doubleTap = 3 * time.Second

// sentForm is a form that is under way, or was answered a moment ago.
type sentForm struct {
	what   [sha256.Size]byte
	at     time.Time
	done   chan struct{}
	answer *heldAnswer // read after done; nil: it was not done
}

// heldAnswer is a page that the browser of a double tap shows: that of the
// second, so both are the same.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(p []byte) (int, error) { return a.body.Write(p) }

func (a *heldAnswer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the reader may be gone
}

// forms keeps the newest form of a session: a second tap comes at once.
type forms struct {
	mu   sync.Mutex
	last *sentForm
}

// begin gives the form that is the same and came within doubleTap, or a new one.
func (f *forms) begin(what [sha256.Size]byte, now time.Time) (form *sentForm, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.last; l != nil && l.what == what && now.Sub(l.at).Abs() <= doubleTap {
		return l, false
	}
	f.last = &sentForm{what: what, at: now, done: make(chan struct{})}
	return f.last, true
}

// forget lets go of an answer, which may hold a code.
func (f *forms) forget(form *sentForm) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == form {
		f.last = nil
	}
}

// doneOnce is for what makes something new at each call: the second of two
// equal forms, sent by one browser in a moment, is answered as the first was.
// One that comes after a refusal is asked anew.
func doneOnce(do func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		form, first := v.s.forms.begin(sha256.Sum256([]byte(v.r.URL.Path+"\n"+v.r.PostForm.Encode())), v.now)
		if !first {
			select {
			case <-form.done:
			case <-v.ctx().Done():
				return context.Cause(v.ctx())
			}
			if form.answer != nil {
				form.answer.send(v.w)
				return nil
			}
			return do(v)
		}
		defer close(form.done)
		to, held := v.w, &heldAnswer{header: http.Header{}, status: http.StatusOK}
		v.w = held
		err := do(v)
		v.w = to
		if err != nil {
			v.s.forms.forget(form)
			return err
		}
		form.answer = held
		time.AfterFunc(doubleTap, func() { v.s.forms.forget(form) })
		held.send(to)
		return nil
	}
}
