package recording

// Tally counts the operations of one channel, each by its last row: those that
// were let through by what they took ("look", "set, operate"), and those that
// were refused.
type Tally struct {
	Allowed map[string]int
	Refused int
}

// tallier counts rows as they come. Only an operation of the newest batch is
// decided anew, so the last few wait for that.
type tallier struct {
	open []Operation
	done Tally
}

func (t *tallier) any() bool { return len(t.open) > 0 || t.done.Allowed != nil || t.done.Refused > 0 }

func (t *tallier) add(data []byte) error {
	o, err := ParseOperation(data)
	if err != nil {
		return err
	}
	if o.Service == "" {
		return nil
	}
	for i := range t.open {
		if t.open[i].N == o.N {
			t.open[i] = o
			return nil
		}
	}
	if t.open = append(t.open, o); len(t.open) > mostOpen {
		t.count(t.open[0])
		t.open = t.open[1:]
	}
	return nil
}

func (t *tallier) count(o Operation) {
	if !o.Allowed {
		t.done.Refused++
		return
	}
	if t.done.Allowed == nil {
		t.done.Allowed = map[string]int{}
	}
	t.done.Allowed[o.Right]++
}

func (t *tallier) end() Tally {
	for _, o := range t.open {
		t.count(o)
	}
	t.open = nil
	return t.done
}
