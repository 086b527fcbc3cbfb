package review

import (
	"context"
	"errors"

	"penstock/audit"
	"penstock/audit/recording"
)

var errUnbuilt = errors.New("not built yet")

// Log is where readings are written: durable on return.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Reader is the person who reads, proved by the caller, and what for.
type Reader struct {
	Person string
	Roles  []string
	What   string // list, play, export, verify
	Form   string // of an export: asciicast-v3, asciicast-v2, text, raw
}

// ErrMayNot is returned, wrapped, to a person whose roles do not include a reading one.
var ErrMayNot = errors.New("this person may not read recordings")

// Book opens recordings for people. May says whether one of the roles reads recordings.
type Book struct{}

// NewBook: may is the plant file's word (policy.Plant.MayRead).
func NewBook(a *recording.Archive, log Log, may func(roles []string) bool) *Book { panic(errUnbuilt) }

// Read writes review.opened, durable, and then opens the recording.
func (b *Book) Read(ctx context.Context, who Reader, session string) (*recording.Reader, error) {
	return nil, errUnbuilt
}

// List writes review.opened{list} and then names the recorded sessions, oldest first.
func (b *Book) List(ctx context.Context, who Reader) ([]recording.Header, error) {
	return nil, errUnbuilt
}
