package state

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"penstock/audit"
)

// Fault is a leaf that does not make the rows that it says it made: the rows
// below it were changed by hand, the log is another's, or a fold changed.
type Fault struct {
	Leaf audit.Place
	Type string
	Key  string // the row, where one is known
	Err  error
}

func (f *Fault) Error() string {
	at := ""
	if f.Key != "" {
		at = " for row " + f.Key
	}
	return fmt.Sprintf("leaf %s (%s)%s: %v", f.Leaf, f.Type, at, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// CatchUp applies what the log has and the store has not, at start. Where the
// rows do not bear it because somebody changed them, all rows are made again
// from the log, and the next Check tells which. An error says which leaf it is about.
func (j *Journal) CatchUp(ctx context.Context) (applied int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.Err(); err != nil {
		return 0, fmt.Errorf("journal is broken: %w", err)
	}
	return j.catchUp(ctx)
}

func (j *Journal) catchUp(ctx context.Context) (applied int, err error) {
	applied, err = j.follow(ctx)
	var fault *Fault
	if errors.As(err, &fault) {
		// The log is the truth: ask it alone.
		differences, mended := j.mend(ctx)
		if mended != nil {
			return applied, errors.Join(err, mended)
		}
		j.told = append(j.told, differences...)
		err = nil
	}
	j.caught = err == nil
	return applied, err
}

// follow folds the leaves that the store has not seen.
func (j *Journal) follow(ctx context.Context) (applied int, err error) {
	from, err := j.store.Applied(ctx, j.node)
	if err != nil {
		return 0, fmt.Errorf("read what is applied: %w", err)
	}
	var last *audit.Leaf // rowless and not yet noted
	for leaf, err := range j.log.Upto(ctx, from) {
		if err != nil {
			return applied, fmt.Errorf("read the log: %w", err)
		}
		if len(leaf.Rows) == 0 {
			last = &leaf
			continue
		}
		changes, err := j.replay(ctx, j.store, leaf)
		if err != nil {
			return applied, err
		}
		if changes == nil { // void
			last = &leaf
			continue
		}
		if err := j.apply(ctx, leaf, changes); err != nil {
			return applied, err
		}
		applied, last = applied+1, nil
	}
	if last != nil {
		return applied, j.apply(ctx, *last, nil)
	}
	return applied, nil
}

// replay says what a leaf does to rows: nil if it is void (its revision does
// not follow), a Fault if it does not make what it says.
func (j *Journal) replay(ctx context.Context, rows Reader, leaf audit.Leaf) ([]Change, error) {
	follows, err := j.follows(ctx, rows, leaf)
	if err != nil || !follows {
		return nil, err
	}
	fault := func(key string, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Fault{leaf.Place(), leaf.Body.Type(), key, err}
	}
	changes, err := j.fold(ctx, rows, audit.Leaf{Event: leaf.Event})
	if err != nil {
		return nil, fault("", err)
	}
	made := make(map[string]bool, len(changes))
	for _, c := range changes {
		said, ok := leaf.Rows[c.Row.Key]
		if !ok {
			return nil, fault(c.Row.Key, errors.New("it changes the row and does not name it"))
		}
		row, err := stored(ctx, rows, c.Row.Key)
		if err != nil {
			return nil, fault(c.Row.Key, err)
		}
		if row.Rev+1 != c.Row.Rev {
			return nil, nil
		}
		if said != audit.HashOf(c.Row.Value) {
			return nil, fault(c.Row.Key, errors.New("the value that it makes has not the hash that it names"))
		}
		made[c.Row.Key] = true
	}
	for _, key := range sortedKeys(leaf.Rows) {
		if !made[key] {
			return nil, fault(key, errors.New("it names the row and does not change it"))
		}
	}
	return changes, nil
}

// follows: the event's revision is one above that of the row that is named like
// its subject, or, where none is, of any row it names. Without that no fold is
// asked, because a void leaf may well be a transition that is not allowed.
// penstock-verify asks the same (evidence.Walk).
func (j *Journal) follows(ctx context.Context, rows Reader, leaf audit.Leaf) (bool, error) {
	own, fits := false, false
	for key := range leaf.Rows {
		row, err := stored(ctx, rows, key)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil { // a row that cannot be read is one to make again
			return false, &Fault{leaf.Place(), leaf.Body.Type(), key, err}
		}
		above := row.Rev+1 == leaf.Rev
		if _, id, _ := strings.Cut(key, "/"); id == leaf.Subject {
			if above {
				return true, nil
			}
			own = true
		}
		fits = fits || above
	}
	return fits && !own, nil
}

// Check folds the whole log anew in memory and compares: a row that was edited
// by hand is named, and made again from the log. It runs between changes, so
// while it runs changes wait. An error: the log itself does not fold, or could
// not be read, and no row was touched.
func (j *Journal) Check(ctx context.Context) (differences []string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.Err(); err != nil {
		return nil, fmt.Errorf("journal is broken: %w", err)
	}
	if !j.caught {
		if _, err := j.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	differences, err = j.mend(ctx)
	if err != nil {
		return nil, err
	}
	differences, j.told = append(j.told, differences...), nil
	return differences, nil
}

// mend makes the store what the log says, and tells what was not so.
func (j *Journal) mend(ctx context.Context) ([]string, error) {
	truth, size, err := j.anew(ctx)
	if err != nil {
		return nil, fmt.Errorf("fold the log anew: %w", err)
	}
	differences, wrong, err := j.compare(ctx, truth)
	if err != nil {
		return nil, err
	}
	applied, err := j.store.Applied(ctx, j.node)
	if err != nil {
		return nil, fmt.Errorf("read what is applied: %w", err)
	}
	if applied > size {
		differences = append(differences, fmt.Sprintf("the rows claim %d leaves of node %s, the log has %d", applied, j.node, size))
	}
	if len(differences) > 0 {
		if err := j.store.Mend(context.WithoutCancel(ctx), j.node, size, wrong); err != nil {
			return nil, j.fail(fmt.Errorf("make rows again: %w", err))
		}
	}
	j.made.set(truth)
	return differences, nil
}

// anew is every row as the log alone makes it, and the log's size.
func (j *Journal) anew(ctx context.Context) (*Memory, audit.Index, error) {
	truth := NewMemory()
	var size audit.Index
	for leaf, err := range j.log.Upto(ctx, 0) {
		if err != nil {
			return nil, 0, fmt.Errorf("read the log: %w", err)
		}
		size = leaf.Index + 1
		if len(leaf.Rows) == 0 {
			continue
		}
		changes, err := j.replay(ctx, truth, leaf)
		if err != nil {
			return nil, 0, err
		}
		for i := range changes {
			changes[i].Row.Leaf = leaf.Place()
		}
		if err := truth.Apply(ctx, leaf, changes); err != nil {
			return nil, 0, fmt.Errorf("leaf %s: %w", leaf.Place(), err)
		}
	}
	return truth, size, nil
}

// compare walks both in key order; wrong are the rows as they must be.
func (j *Journal) compare(ctx context.Context, truth *Memory) (differences []string, wrong []Row, err error) {
	next, stop := iter.Pull2(truth.All(ctx))
	defer stop()
	want, wantErr, more := next()
	missing := func() {
		differences = append(differences, fmt.Sprintf("row %s is missing; leaf %s made it", want.Key, want.Leaf))
		wrong = append(wrong, want)
		want, wantErr, more = next()
	}
	for have, err := range j.store.All(ctx) {
		if err != nil {
			return nil, nil, fmt.Errorf("read rows: %w", err)
		}
		for more && wantErr == nil && want.Key < have.Key {
			missing()
		}
		if wantErr != nil {
			return nil, nil, wantErr
		}
		if !more || want.Key != have.Key {
			differences = append(differences, fmt.Sprintf("row %.*q is one that no leaf made", MaxKey, have.Key))
			wrong = append(wrong, Row{Key: have.Key})
			continue
		}
		if !want.Equal(have) {
			differences = append(differences, unlike(want, have))
			wrong = append(wrong, want)
		}
		want, wantErr, more = next()
	}
	for more && wantErr == nil {
		missing()
	}
	return differences, wrong, wantErr
}

func unlike(want, have Row) string {
	what := "the value"
	switch {
	case want.Rev != have.Rev:
		what = fmt.Sprintf("the revision (%d for %d)", have.Rev, want.Rev)
	case want.Leaf != have.Leaf:
		what = fmt.Sprintf("the leaf (%s for %s)", have.Leaf, want.Leaf)
	}
	return fmt.Sprintf("row %s differs from what leaf %s made: %s", want.Key, want.Leaf, what)
}
