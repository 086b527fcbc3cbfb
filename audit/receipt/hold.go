package receipt

import (
	"bytes"
	"context"
	"fmt"

	"penstock/audit"
)

// Held is what a log says to one receipt. Claims are the receipt's own words,
// not to be believed where the signature is wrong.
type Held struct {
	Claims Claims
	Signed bool     // by a key that is given or that the log names
	Wrong  []string // why the log does not hold it; empty: it does, as far as its leaves go
}

// Checkpoint is the tree that the receipt was signed over, to be compared with
// the log as one that was kept outside (audit.Reader.All); ok where it may be believed.
func (h Held) Checkpoint() (c audit.Checkpoint, ok bool) {
	return audit.Checkpoint{Origin: h.Claims.Log, Size: h.Claims.Size, Root: h.Claims.Root}, h.Signed
}

// Split takes a file of receipts apart: one on each line.
func Split(file []byte) (receipts [][]byte) {
	for line := range bytes.Lines(file) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			receipts = append(receipts, line)
		}
	}
	return receipts
}

// holding is one receipt while the log is read.
type holding struct {
	Held
	u    unchecked
	bad  bool
	leaf *audit.Leaf
}

// Hold holds receipts to the log that r reads, one result for each in order. With no keys given it takes those that
// the log itself names in node.started, which catches everybody but who has the
// receipts' key too. It checks leaves by themselves: whoever calls it holds the
// whole log to its tree (audit.Reader.All), with each Checkpoint beside.
func Hold(ctx context.Context, r *audit.Reader, given Keys, receipts ...[]byte) ([]Held, error) {
	all := make([]*holding, len(receipts))
	wanted := map[audit.Index][]*holding{}
	for i, b := range receipts {
		h := &holding{}
		all[i] = h
		u, err := parse(b)
		if err != nil {
			h.bad, h.Wrong = true, []string{fmt.Sprintf("is no receipt: %v", err)}
			continue
		}
		h.u, h.Claims = u, u.Claims
		wanted[u.Index] = append(wanted[u.Index], h)
	}
	keys, end := Keys{}, audit.Index(0)
	for leaf, err := range r.From(ctx, 0) {
		if err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil { // whoever reads all of the log tells of damage
			end = max(end, leaf.Index+1)
			continue
		}
		end = leaf.Index + 1
		for _, h := range wanted[leaf.Index] {
			h.leaf = &leaf
			h.signature(keys, given) // by a key that was named before it
		}
		if b, ok := leaf.Body.(audit.NodeStarted); ok && b.Receipts != "" {
			if k, err := named(b.Receipts); err == nil && len(keys) < maxKeys {
				keys[k.KeyID] = k
			}
		}
	}
	out := make([]Held, len(all))
	for i, h := range all {
		if !h.bad {
			if h.leaf == nil {
				h.signature(keys, given)
			}
			h.compare(r.Head().Origin, max(end, r.Size()))
		}
		out[i] = h.Held
	}
	return out, nil
}

func (h *holding) signature(log, given Keys) {
	name := h.u.key
	k, ok := log[name]
	if given != nil {
		if !ok {
			h.wrong("its key %s is not one that this log names before leaf %d", short(name), h.Claims.Index)
		}
		k, ok = given[name]
	}
	if !ok {
		whose := "this log names before it"
		if given != nil {
			whose = "were given"
		}
		h.wrong("its key %s is none of those that %s", short(name), whose)
		return
	}
	if err := h.u.by(k); err != nil {
		h.wrong("%v", err)
		return
	}
	h.Signed = true
}

func (h *holding) compare(origin string, end audit.Index) {
	c := h.Claims
	if c.Log != origin {
		h.wrong("is of the log %.80q, and this is %.80q", c.Log, origin)
		return
	}
	switch l := h.leaf; {
	case !h.Signed:
	case l == nil && c.Index >= end:
		h.wrong("names leaf %d, and the log ends after %d leaves: it was rolled back or cut", c.Index, end)
	case l == nil:
		h.wrong("names leaf %d, which cannot be read", c.Index)
	case l.Hash != c.Leaf:
		h.wrong("names another leaf %d (%s of %s by %s) than the one that stands there: the log was rewritten, or is a fork", c.Index, c.Type, c.Subject, c.Person)
	default:
		document, _ := Of(l.Body)
		if l.Body.Type() != c.Type || l.Subject != c.Subject || l.Actor != c.Person || l.Node != c.Node || document != c.Document || !l.Wall.Equal(c.At) {
			h.wrong("says something else than leaf %d, which it names", c.Index)
		}
		if c.Size <= c.Index {
			h.wrong("its tree of %d leaves does not hold leaf %d", c.Size, c.Index)
		}
	}
}

func (h *holding) wrong(format string, args ...any) {
	h.Wrong = append(h.Wrong, fmt.Sprintf(format, args...))
}

func short(key string) string { return fmt.Sprintf("%.16q", key) }
