package broker_test

import (
	"errors"
	"testing"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// What was decided before the window changed does not go on, however far it had come.
func TestWhatWasDecidedBeforeAChangeIsDecidedAnew(t *testing.T) {
	s := newScene(t, testPlant(t), broker.Limits{})
	defer s.stop()
	_, c := s.shell(t)
	before, err := c.Moment(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := before.May(policy.Look); !d.Allow || d.Rule == "" {
		t.Fatalf("%+v", d)
	}
	if still, err := c.Through(c.Context(), before, []byte("first")); err != nil || !still {
		t.Fatal(still, err)
	}
	s.Broker.Recheck(t.Context())
	if still, err := c.Through(c.Context(), before, []byte("second")); err != nil || still {
		t.Fatalf("what the window allowed before went on: %v", err)
	}
	after, err := c.Moment(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	if still, err := c.Through(c.Context(), after, []byte("second")); err != nil || !still {
		t.Fatal(still, err)
	}
	if got := s.tape.of(recording.Passed); len(got) != 3 {
		t.Errorf("%q", got)
	}
	if got := s.tape.of(recording.Note); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// Rights beyond the window are a no for the one operation; the channel lives.
func TestOneOperationBeyondTheWindow(t *testing.T) {
	s := newScene(t, testPlant(t), broker.Limits{})
	defer s.stop()
	_, c := s.shell(t)
	m, err := c.Moment(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := m.May(policy.Look | policy.Device); d.Allow || d.Rule != "rights-beyond-window" {
		t.Errorf("%+v", d)
	}
	if d := m.May(0); d.Allow {
		t.Error("an operation that nothing allows was allowed")
	}
	if !m.Has().Has(policy.Set) {
		t.Error(m.Has())
	}
	if err := c.Look(); err != nil {
		t.Error(err)
	}
}

// A cut while bytes wait for the disk: they do not go on, and nothing is kept after.
func TestACutWhileAnOperationIsRecorded(t *testing.T) {
	s := newScene(t, testPlant(t), broker.Limits{})
	defer s.stop()
	_, c := s.shell(t)
	m, err := c.Moment(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	s.tape.hangFrom(hang)
	done := make(chan error, 1)
	go func() {
		still, err := c.Through(c.Context(), m, []byte("write"))
		if still {
			err = errors.New("it went on")
		}
		done <- err
	}()
	<-s.tape.hanging
	s.Broker.Stop(brokertest.W1, errors.New("cut"))
	if err := <-done; rule(err) != "window-cut" {
		t.Error(err)
	}
	close(hang)
	if err := c.Row([]byte("{}")); err == nil {
		t.Error("a row after the end")
	}
	if err := c.Came(c.Context(), []byte("x")); err == nil {
		t.Error("bytes after the end")
	}
}

// BenchmarkMay is what one operation's decision costs.
func BenchmarkMay(b *testing.B) {
	s := newScene(b, testPlant(b), broker.Limits{})
	defer s.stop()
	_, c := s.shell(b)
	m, err := c.Moment(c.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := m.May(policy.Look); !d.Allow {
			b.Fatal(d)
		}
	}
}
