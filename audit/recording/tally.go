package recording

// Tally counts the operations of one channel, each by its last row: those that
// were let through by what they took ("look", "set, operate"), and those that
// were refused. Sure are the objects of all but the last few rows, which may have
// gone nowhere; All are those of these too.
type Tally struct {
	Allowed   map[string]int
	Refused   int
	Sure, All Objects
}

// Tells says whether what the log names of the objects (Objects.Told) fits the
// rows: nothing that they do not have, and all that is sure, unless there is more
// than the log has room for.
func (t *Tally) Tells(changed, setOff map[string][]string, more int) bool {
	told := Objects{changed: spansOf(changed), setOff: spansOf(setOff)}
	if !told.within(&t.All) {
		return false
	}
	if more == 0 {
		return t.Sure.within(&told)
	}
	_, _, full := t.All.Told()
	return full > 0
}

// LastBatch is how many rows a channel may have beyond what the log says of it:
// those of requests that were decided when it ended, and went nowhere.
const LastBatch = 16

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
		t.done.Sure.Add(t.open[0])
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
	t.done.All.Add(o)
}

func (t *tallier) end() Tally {
	for i, o := range t.open {
		t.count(o)
		if i < len(t.open)-LastBatch {
			t.done.Sure.Add(o)
		}
	}
	t.open = nil
	return t.done
}
