package broker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/policy"
)

// maxRules bounds the label "rule": a plant file names as many rules as it likes.
const maxRules = 64

// metrics is what a Broker counts for whoever watches it. A command registers
// what Metrics gives; without one it costs some atomic additions.
type metrics struct {
	passed  counts // bytes of all channels
	refused *prometheus.CounterVec
	cuts    prometheus.Histogram

	mu    sync.Mutex
	rules map[string]bool // under a label already
}

func newMetrics() *metrics {
	return &metrics{
		rules: map[string]bool{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "penstock_refusals_total",
			Help: "What the broker refused, by stage (admit, channel, operation) and rule."}, []string{"stage", "rule"}),
		cuts: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "penstock_cut_seconds",
			Help:    "From the call of a taking verb (cut, end, block, island) to the last byte of the channels that it ended.",
			Buckets: []float64{0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5}}),
	}
}

// refusal counts an error that is a refusal or a fault; nil is neither.
func (m *metrics) refusal(stage string, err error) {
	if err == nil {
		return
	}
	rule := "fault"
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		rule = r.Rule
	}
	m.refused.WithLabelValues(stage, m.bounded(rule)).Inc()
}

func (m *metrics) bounded(rule string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.rules[rule] && len(m.rules) >= maxRules {
		return "other"
	}
	m.rules[rule] = true
	return rule
}

// cut waits, beside everything else and within bounds, for the last byte of
// channels that a taking verb has ended.
func (m *metrics) cut(begun time.Time, ended []*Channel) {
	if len(ended) == 0 {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), closePatience+quietPatience)
		defer cancel()
		for _, c := range ended {
			select {
			case <-c.quiet:
			case <-ctx.Done():
			}
		}
		m.cuts.Observe(time.Since(begun).Seconds())
	}()
}

// Metrics are the broker's, to be registered once.
func (b *Broker) Metrics() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	total := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		b.metrics.refused, b.metrics.cuts,
		gauge("penstock_sessions", "Sessions that are live.", func() float64 { return float64(len(b.all())) }),
		gauge("penstock_channels", "Channels that are open in them.", func() float64 {
			n := 0
			for _, s := range b.all() {
				n += len(s.open(""))
			}
			return float64(n)
		}),
		gauge("penstock_recordings_forecast_bytes", "What recordings will still need: of running sessions, if each goes on as it did to its window's end, and of windows that are agreed and not yet open, at the average of this life's sessions.", b.forecast),
		gauge("penstock_ready", "1 while people are admitted; /readyz says why not.", func() float64 {
			if b.Ready() != nil {
				return 0
			}
			return 1
		}),
		total("penstock_vendor_in_bytes_total", "Bytes of vendors that were recorded and let through to machines.", b.metrics.passed.in.Load),
		total("penstock_vendor_out_bytes_total", "Bytes of machines that were recorded and shown to vendors.", b.metrics.passed.out.Load),
	}
}
