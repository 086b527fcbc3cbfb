package sshd

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxRules bounds the label "rule": the plant file's rules are among them.
const maxRules = 64

// metrics is what a Door counts for whoever watches it.
type metrics struct {
	limited *prometheus.CounterVec // the reasons are admitted's own words: a handful
	refused *prometheus.CounterVec

	mu    sync.Mutex
	rules map[string]bool // under a label already
}

func newMetrics() *metrics {
	return &metrics{
		rules: map[string]bool{},
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_ssh_limited_total",
			Help: "Connections that were closed at once because a limit was reached, by reason."}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_ssh_refused_total",
			Help: "What the SSH door itself refused, by rule; also what the log tells only as a number."}, []string{"rule"}),
	}
}

// refusal counts one no of the door.
func (m *metrics) refusal(rule string) {
	m.mu.Lock()
	if !m.rules[rule] && len(m.rules) >= maxRules {
		rule = "other"
	} else {
		m.rules[rule] = true
	}
	m.mu.Unlock()
	m.refused.WithLabelValues(rule).Inc()
}

// Metrics are the door's, to be registered once.
func (d *Door) Metrics() []prometheus.Collector {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		d.told.metrics.limited, d.told.metrics.refused,
		gauge("penstock_ssh_handshakes", "SSH handshakes and authentications under way.", func() int { return len(d.slots) }),
		gauge("penstock_ssh_connections", "SSH connections that are open, with or without a session.", func() int {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.conns)
		}),
	}
}
