package recording

import (
	"iter"
	"path/filepath"
	"strings"
)

// folders is where the recording of each session is. It is kept in memory for
// all that there ever were, since a name is used once, and hence small: a day's
// folder is kept once, and beside it some 50 bytes for each session.
type folders struct {
	days   []string
	places map[string]int32 // day → its place in days
	in     map[string]int32 // session → the place of its day
}

func newFolders() folders { return folders{places: map[string]int32{}, in: map[string]int32{}} }

// get gives the folder of a session.
func (f *folders) get(session string) (dir string, ok bool) {
	place, ok := f.in[session]
	if !ok {
		return "", false
	}
	return filepath.Join(f.days[place], session), true
}

// put notes that a session's folder, by its name, is in that of a day.
func (f *folders) put(session, day string) {
	place, ok := f.places[day]
	if !ok {
		place = int32(len(f.days))
		f.days, f.places[day] = append(f.days, day), place
	}
	f.in[strings.Clone(session)] = place // not a piece of something larger
}

func (f *folders) drop(session string) { delete(f.in, session) }

func (f *folders) len() int { return len(f.in) }

// all gives each session and its folder; in its course sessions may be dropped.
func (f *folders) all() iter.Seq2[string, string] {
	return func(yield func(session, dir string) bool) {
		for session, place := range f.in {
			if !yield(session, filepath.Join(f.days[place], session)) {
				return
			}
		}
	}
}
