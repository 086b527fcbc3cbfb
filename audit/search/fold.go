package search

import (
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
)

// batch is what some leaves of the log add to the index, before it is written.
type batch struct {
	tx    *bolt.Tx
	known map[string]*session // by name; nil: there is none of it
	said  map[string][]entry  // of sessions, by name
	rest  map[uint64][]entry  // of no session, by unit
	ended map[string]bool
}

// fold takes leaves in, in one transaction with how far the index is.
func (f *Filler) fold(tx *bolt.Tx, list []audit.Leaf, ended map[string]bool) error {
	b := &batch{tx, map[string]*session{}, map[string][]entry{}, map[uint64][]entry{}, ended}
	for _, leaf := range list {
		if err := f.take(b, leaf); err != nil {
			return err
		}
	}
	if err := f.write(b); err != nil {
		return err
	}
	return tx.Bucket(bMeta).Put([]byte("next"), key64(uint64(list[len(list)-1].Index)+1))
}

func (b *batch) session(name string) *session {
	if _, ok := b.known[name]; !ok {
		b.known[name] = lookup(b.tx, name)
	}
	return b.known[name]
}

// take takes one leaf in.
func (f *Filler) take(b *batch, leaf audit.Leaf) error {
	body := bodyOf(leaf)
	name, _ := body["session"].(string)
	if start, ok := leaf.Body.(audit.SessionStarted); ok {
		b.known[name] = &session{ID: uint64(leaf.Index), Name: name, Person: start.Person, Firm: start.Firm, Windows: start.Windows,
			Started: leaf.Wall, Sealed: start.Mode == "sealed", Chans: map[int]*channel{}}
	}
	e, says := entryOf(leaf, body)
	s := b.session(name)
	if name == "" || s == nil {
		if says {
			u := uint64(leaf.Index) &^ 4095
			b.rest[u] = append(b.rest[u], e)
		}
		return nil
	}
	if says {
		b.said[name] = append(b.said[name], e)
	}
	switch l := leaf.Body.(type) {
	case audit.ChannelOpened:
		if len(s.Chans) < mostChannels {
			s.Chans[l.Channel] = &channel{l.Asset, l.Kind}
		}
		if !slices.Contains(s.Assets, l.Asset) {
			s.Assets = append(s.Assets, l.Asset)
		}
	case audit.SessionEnded:
		s.Ended, b.ended[name] = true, true
	case audit.RecordingExpired, audit.RecordingDeleted:
		return errors.Join(f.forget(b.tx, s, "the recording is gone: "+l.Type()), stale(b.tx))
	}
	return nil
}

func (f *Filler) write(b *batch) error {
	for name, all := range b.said {
		s := b.known[name]
		if err := f.add(b.tx, unit(s.ID, leaves), s.Count[0], all); err != nil {
			return err
		}
		s.Count[0] += uint32(len(all))
	}
	for _, s := range b.known {
		if s == nil {
			continue
		}
		if err := s.write(b.tx); err != nil {
			return err
		}
	}
	for u, all := range b.rest {
		if err := f.add(b.tx, unit(u, others), uint32(all[0].Ref-u), all); err != nil {
			return err
		}
	}
	return nil
}
