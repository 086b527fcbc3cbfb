package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"penstock/audit/durable"
)

// scrapePatience is how long one scrape may read rows.
const scrapePatience = 5 * time.Second

// latency shows a durable.Latency as a histogram.
type latency struct {
	desc *prometheus.Desc
	of   *durable.Latency
}

func newLatency(name, help string, of *durable.Latency) latency {
	return latency{prometheus.NewDesc(name, help, nil, nil), of}
}

func (l latency) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }
func (l latency) Collect(ch chan<- prometheus.Metric) {
	count, sum, buckets := l.of.Read()
	ch <- prometheus.MustNewConstHistogram(l.desc, count, sum, buckets)
}

// scraped shows what is asked for at each scrape; where that fails, the numbers
// are absent and the failure is told, for a 0 would look like an answer.
type scraped struct {
	descs []*prometheus.Desc
	read  func(show func(d int, value float64, labels ...string)) error
}

func (s scraped) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

func (s scraped) Collect(ch chan<- prometheus.Metric) {
	err := s.read(func(d int, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.descs[d], prometheus.GaugeValue, value, labels...)
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(s.descs[0], err)
	}
}

// metrics answers /metrics from a registry of this house alone.
func (h *plantHouse) metrics() (http.Handler, error) {
	r := prometheus.NewRegistry()
	all := []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		h.buildInfo(), h.clockMetric(), h.logMetrics(), h.diskMetrics(), h.deskMetrics(), h.partMetrics(), deskRefusals{h}, h.outsideMetrics(), outsideCounts{h}, h.reviewMetrics(), h.siemMetrics(), siemCounts{h}, h.noticeMetrics(),
		newLatency("penstock_log_append_seconds", "From an event to its durable leaf.", h.log.Appends()),
		newLatency("penstock_recording_commit_seconds", "From a vendor's bytes to their durable frame, before they are let through.", h.archive.Commits()),
		newLatency("penstock_disk_sync_seconds", "One operation that makes something durable, mostly an fdatasync.", h.disk.Syncs()),
	}
	all = append(all, h.loginMetrics()...)
	all = append(all, h.broker.Metrics()...)
	all = append(all, h.door.Metrics()...)
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register a metric: %w", err)
		}
	}
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelError),
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 2 * scrapePatience}), nil
}

// loginMetrics count passwords, codes and keys of people, right and wrong.
func (h *plantHouse) loginMetrics() []prometheus.Collector {
	counter := func(result string, value func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "penstock_logins_total", ConstLabels: prometheus.Labels{"result": result},
			Help: "Proofs of people by password, code or key at pages, API and desk, by result."}, func() float64 { return float64(value()) })
	}
	return []prometheus.Collector{
		counter("ok", func() uint64 { proved, _ := h.proofs.Counts(); return proved }),
		counter("refused", func() uint64 { _, refused := h.proofs.Counts(); return refused }),
	}
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func (h *plantHouse) buildInfo() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_build_info", "Always 1; the labels say which build this is.", "version", "goversion"),
		desc("penstock_self_test_ok", "1 once the door has refused every attempt of the self-test; without it nothing listens."),
	}, func(show func(int, float64, ...string)) error {
		show(0, 1, version(), runtime.Version())
		show(1, yes(h.tested.Load()))
		return nil
	}}
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (h *plantHouse) clockMetric() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "penstock_clock_accepted",
		Help: "0 while sessions wait for penstock clock accept by two people."}, func() float64 { return yes(!h.clock.waits()) })
}

func (h *plantHouse) logMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_log_bytes", "Bytes of the log's entries."),
		desc("penstock_log_leaves", "Durable leaves of the log."),
		desc("penstock_log_checkpoint_age_seconds", "Since the newest signed checkpoint was stored; it grows while nothing happens."),
	}, func(show func(int, float64, ...string)) error {
		show(1, float64(h.log.Size()))
		entries, err := os.ReadDir(filepath.Join(h.folder.log(), "entries"))
		if err != nil {
			return fmt.Errorf("look at the log: %w", err)
		}
		sum := int64(0)
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
		}
		show(0, float64(sum))
		info, err := os.Stat(filepath.Join(h.folder.log(), "checkpoint"))
		if err != nil {
			return fmt.Errorf("look at the checkpoint: %w", err)
		}
		show(2, max(0, time.Since(info.ModTime()).Seconds()))
		return nil
	}}
}

func (h *plantHouse) diskMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_data_free_bytes", "Free on the data directory's disk."),
		desc("penstock_recordings_free_bytes", "Free on the recordings' disk; below min_free no session begins."),
		desc("penstock_recordings_open", "Recordings that are being written."),
		desc("penstock_recording_heads_age_seconds", "Since the heads of the open recordings were last committed to the log: about a second."),
		desc("penstock_closing_reserve_whole", "1 while all of the disk's closing reserve is there; 0: nobody new gets in until there is room for it."),
	}, func(show func(int, float64, ...string)) error {
		show(2, float64(h.archive.Running()))
		show(4, yes(h.reserve.Whole()))
		if age, ever := h.archive.HeadsAge(); ever {
			show(3, age.Seconds())
		}
		var s unix.Statfs_t
		if err := unix.Statfs(h.file.Data, &s); err != nil {
			return fmt.Errorf("ask for free space: %w", err)
		}
		show(0, float64(s.Bavail)*float64(s.Bsize))
		free, err := h.archive.FreeBytes()
		if err != nil {
			return fmt.Errorf("ask for free space: %w", err)
		}
		show(1, float64(free))
		return nil
	}}
}

func (h *plantHouse) deskMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_windows", "Windows by state.", "state"),
		desc("penstock_requests_waiting", "Requests that wait for an answer."),
		desc("penstock_requests_waiting_oldest_seconds", "Since the oldest request that waits was asked; 0: none waits."),
		desc("penstock_priority_overrides", "Requests' priorities that people gave in place of the computed one, by their team.", "team"),
	}, func(show func(int, float64, ...string)) error {
		ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		t, err := h.desk.Tally(ctx)
		if err != nil {
			return err
		}
		for state, n := range t.Windows {
			show(0, float64(n), string(state))
		}
		show(1, float64(t.Waiting))
		show(2, t.Oldest.Seconds())
		for team, n := range t.Urgent {
			show(3, float64(n), string(team))
		}
		return nil
	}}
}

// deskRefusals are counters, so that they stand apart from the gauges above.
type deskRefusals struct{ h *plantHouse }

var refusedAsks = desc("penstock_requests_refused_total", "Requests that were refused in the moment they were asked, by rule.", "rule")

func (d deskRefusals) Describe(ch chan<- *prometheus.Desc) { ch <- refusedAsks }
func (d deskRefusals) Collect(ch chan<- prometheus.Metric) {
	for rule, n := range d.h.desk.Refusals() {
		ch <- prometheus.MustNewConstMetric(refusedAsks, prometheus.CounterValue, float64(n), rule)
	}
}

func (h *plantHouse) partMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{desc("penstock_part_running", "1 while a part of the broker runs; 0: nobody is let in until it is started again.", "part")},
		func(show func(int, float64, ...string)) error {
			for part, runs := range h.health.running() {
				show(0, yes(runs), part)
			}
			return nil
		}}
}
