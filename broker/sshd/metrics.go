package sshd

import "github.com/prometheus/client_golang/prometheus"

// metrics is what a Door counts for whoever watches it. The reasons are
// admitted's own words: a handful.
type metrics struct {
	limited *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{limited: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_ssh_limited_total",
		Help: "Connections that were closed at once because a limit was reached, by reason."}, []string{"reason"})}
}

// Metrics are the door's, to be registered once.
func (d *Door) Metrics() []prometheus.Collector {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		d.metrics.limited,
		gauge("penstock_ssh_handshakes", "SSH handshakes and authentications under way.", func() int { return len(d.slots) }),
		gauge("penstock_ssh_connections", "SSH connections that are open, with or without a session.", func() int {
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.conns)
		}),
	}
}
