package sshd

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Whoever is closed at once by a limit is counted under one of a few reasons.
func TestLimitsAreCountedByReason(t *testing.T) {
	d := &Door{told: newTeller(nil, time.Now), slots: make(chan struct{}, 4), conns: map[*conn]struct{}{nil: {}}}
	d.slots <- struct{}{}
	d.told.metrics.limited.WithLabelValues("too many connections").Inc()
	for i := range 3 * maxRules {
		d.told.metrics.refusal(fmt.Sprintf("rule-%d", i))
	}
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(d.Metrics()...)
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got, labels := map[string]float64{}, map[string]int{}
	for _, family := range all {
		for _, m := range family.GetMetric() {
			labels[family.GetName()]++
			got[family.GetName()] += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	if n, sum := labels["penstock_ssh_refused_total"], got["penstock_ssh_refused_total"]; n != maxRules+1 || sum != 3*maxRules {
		t.Errorf("%v refusals under %d labels", sum, n)
	}
	for _, name := range []string{"penstock_ssh_limited_total", "penstock_ssh_handshakes", "penstock_ssh_connections"} {
		if got[name] != 1 {
			t.Errorf("%s is %v, want 1", name, got[name])
		}
	}
}
