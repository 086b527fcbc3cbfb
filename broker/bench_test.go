package broker_test

import (
	"testing"
	"time"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
)

// BenchmarkIn is the gate's own cost for a keystroke: the recorder keeps nothing.
func BenchmarkIn(b *testing.B) {
	s := newScene(b, testPlant(b), broker.Limits{})
	defer s.stop()
	_, c := s.shell(b)
	s.tape.forget = true
	key := []byte("x")
	b.ReportAllocs()
	for b.Loop() {
		if forward, err := c.In(c.Context(), key); err != nil || !forward {
			b.Fatal(err)
		}
	}
}

// BenchmarkLook is one look with the machine's own clocks.
func BenchmarkLook(b *testing.B) {
	r := brokertest.New(b, testPlant(b), broker.Limits{})
	c := r.Channel(b, r.Session(b, &brokertest.Guest{}), brokertest.Shell(brokertest.Maint))
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Look(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeystroke is In with the real recorder on a real disk, and its echo.
func BenchmarkKeystroke(b *testing.B) {
	r := brokertest.New(b, testPlant(b), broker.Limits{})
	c := r.Channel(b, r.Session(b, &brokertest.Guest{}), brokertest.Shell(brokertest.Maint))
	key := []byte("x")
	for b.Loop() {
		if _, err := c.In(c.Context(), key); err != nil {
			b.Fatal(err)
		}
		if err := c.Out(c.Context(), recording.Out, key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStop is what a cut takes with a hundred sessions in the window.
func BenchmarkStop(b *testing.B) {
	brokertest.ManyWriters = true
	plant := brokertest.Plant(b, testPlantAt, 0, pin)
	brokertest.ManyWriters = false
	for b.Loop() {
		b.StopTimer()
		s := newScene(b, plant, broker.Limits{SessionsPerPerson: 100})
		for range 100 {
			s.open(b, s.admit(b, brokertest.W1), brokertest.Shell(brokertest.Maint))
		}
		b.StartTimer()
		began := time.Now()
		s.Stop(brokertest.W1, nil)
		b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/cut")
		b.StopTimer()
		if err := s.stop(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
