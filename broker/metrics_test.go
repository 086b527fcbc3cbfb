package broker_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
)

// counted reads one number as a scrape would: of a histogram its count, of
// several label sets the sum.
func counted(t testing.TB, b *broker.Broker, name string) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(b.Metrics()...)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range all {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func TestMetricsFollowASession(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		want := func(when string, name string, n float64) {
			t.Helper()
			if got := counted(t, s.Broker, name); got != n {
				t.Errorf("%s: %s is %v, want %v", when, name, got, n)
			}
		}
		ses, c := s.shell(t)
		if got := in(c, "hello"); got != "passed" {
			t.Fatal(got)
		}
		if err := c.Out(t.Context(), recording.Out, []byte("world!!")); err != nil {
			t.Fatal(err)
		}
		want("while it runs", "penstock_ready", 1)
		want("while it runs", "penstock_sessions", 1)
		want("while it runs", "penstock_channels", 1)
		want("while it runs", "penstock_vendor_in_bytes_total", 5)
		want("while it runs", "penstock_vendor_out_bytes_total", 7)
		want("while it runs", "penstock_refusals_total", 0)
		if _, err := ses.Open(t.Context(), brokertest.Shell("nobody")); rule(err) == "" {
			t.Fatal("a channel to an account outside the window was opened")
		}
		want("after a refusal", "penstock_refusals_total", 1)
		s.Stop(brokertest.W1, errors.New("now"))
		synctest.Wait()
		want("after the cut", "penstock_cut_seconds", 1)
		want("after the cut", "penstock_vendor_in_bytes_total", 5)
		<-ses.Done()
		want("at the end", "penstock_sessions", 0)
		s.Stop("W-99", errors.New("nobody was in it"))
		synctest.Wait()
		want("a cut of nothing", "penstock_cut_seconds", 1)
	})
}
