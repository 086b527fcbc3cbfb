package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/audit"
	"penstock/audit/siem"
	"penstock/policy/source"
)

// siemPlace is one receiver of the log's events. Of Syslog and File exactly one is set.
type siemPlace struct {
	Name   string
	Syslog string // HOST:PORT
	CA     string // PEM file; empty: the machine's own list
	File   string // path
	Most   int64  // bytes of one file
	Keep   int    // older files that are kept
}

const (
	siemFileMost = 64 << 20
	siemFileKeep = 8
)

func readSIEM(dir string, v source.Value) (all []siemPlace) {
	if !v.Here() {
		return nil
	}
	seen := map[string]bool{}
	for _, item := range v.Items() {
		f := item.Fields("name", "syslog", "ca", "file", "max", "keep")
		p := siemPlace{Name: f.Need("name").Text(), Syslog: hostPort(f.Get("syslog"), "siem.kiel.example:6514"), CA: beside(dir, f.Get("ca").Text()),
			File: beside(dir, f.Get("file").Text()), Most: byteSize(f.Get("max")), Keep: siemFileKeep}
		switch {
		case p.Name != "" && !placeWord.MatchString(p.Name):
			f.Get("name").Refuse(fmt.Sprintf("%q is no short name", p.Name), "up to 32 of a-z, 0-9 and -, beginning with a letter")
		case seen[p.Name]:
			f.Get("name").Refuse(fmt.Sprintf("%q is taken", p.Name), "give each place a name of its own")
		}
		seen[p.Name] = true
		if f.Get("syslog").Here() == f.Get("file").Here() {
			item.Refuse("a place takes events by syslog: or into file:, one of them", "syslog: siem.kiel.example:6514, or file: /var/log/penstock/events.ndjson")
		}
		if p.File == "" && (f.Get("max").Here() || f.Get("keep").Here()) {
			item.Refuse("max and keep are of a file", "take them out, or name a file:")
		}
		if p.Most == 0 {
			p.Most = siemFileMost
		}
		if k := f.Get("keep"); k.Here() {
			p.Keep = k.Int(0, 1000)
		}
		all = append(all, p)
	}
	return all
}

// openSIEM prepares the ways on which every leaf goes to the plant's security monitoring.
func (h *plantHouse) openSIEM(ctx context.Context, clock audit.Clock) error {
	o := siem.Options{Dir: h.folder.siem(), Clock: clock, Slog: h.slog,
		Source: siem.Source{Origin: h.plant().Site.ID + "/penstock/audit/" + h.file.Node, Version: version()}}
	for _, p := range h.file.SIEM {
		one := siem.Place{Name: p.Name, Where: p.File}
		if p.File != "" {
			one.Sink = siem.NewFile(p.File, p.Most, p.Keep)
		} else {
			config, err := trusting(p.CA)
			if err != nil {
				return fmt.Errorf("SIEM %s: %w", p.Name, err)
			}
			one.Where = p.Syslog
			if one.Sink, err = siem.NewSyslog(p.Syslog, config); err != nil {
				return fmt.Errorf("SIEM %s: %w", p.Name, err)
			}
		}
		o.Places = append(o.Places, one)
	}
	var err error
	h.siem, err = siem.Open(ctx, h.log, o)
	return err
}

func (h *plantHouse) siemMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_siem_lag_seconds", "How long the oldest leaf that a SIEM has not got has been in the log; 0: it has all.", "place"),
		desc("penstock_siem_lag_leaves", "Leaves that a SIEM has not got.", "place"),
		desc("penstock_siem_failing_seconds", "Since a SIEM could not be reached; 0: it was.", "place"),
	}, func(show func(int, float64, ...string)) error {
		for _, s := range h.siem.States() {
			show(0, s.Lag.Seconds(), s.Name)
			show(1, float64(s.Behind), s.Name)
			failing := 0.0
			if !s.Failing.IsZero() {
				failing = max(0.001, time.Since(s.Failing).Seconds())
			}
			show(2, failing, s.Name)
		}
		return nil
	}}
}

// siemCounts are counters, so that they stand apart from the gauges above.
type siemCounts struct{ h *plantHouse }

var (
	siemSent   = desc("penstock_siem_sent_total", "Events that a SIEM took, since the start.", "place")
	siemFailed = desc("penstock_siem_failed_total", "Attempts that failed, since the start.", "place")
)

func (c siemCounts) Describe(ch chan<- *prometheus.Desc) { ch <- siemSent; ch <- siemFailed }
func (c siemCounts) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.h.siem.States() {
		ch <- prometheus.MustNewConstMetric(siemSent, prometheus.CounterValue, float64(s.Sent), s.Name)
		ch <- prometheus.MustNewConstMetric(siemFailed, prometheus.CounterValue, float64(s.Failed), s.Name)
	}
}
