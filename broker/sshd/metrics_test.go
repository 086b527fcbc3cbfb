package sshd

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Whoever is closed at once by a limit is counted under one of a few reasons.
func TestLimitsAreCountedByReason(t *testing.T) {
	d := &Door{metrics: newMetrics(), slots: make(chan struct{}, 4), conns: map[*conn]struct{}{nil: {}}}
	d.slots <- struct{}{}
	d.metrics.limited.WithLabelValues("too many connections").Inc()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(d.Metrics()...)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			got[family.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for _, name := range []string{"penstock_ssh_limited_total", "penstock_ssh_handshakes", "penstock_ssh_connections"} {
		if got[name] != 1 {
			t.Errorf("%s is %v, want 1", name, got[name])
		}
	}
}
