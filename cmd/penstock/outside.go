package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/publish"
	"penstock/policy"
)

// openOutside prepares the ways out for checkpoints.
func (h *plantHouse) openOutside(clock audit.Clock) error {
	v, err := audit.LogVerifier(h.folder.keys())
	if err != nil {
		return err
	}
	o := publish.Options{Dir: h.folder.outside(), Verifier: v, AlarmAfter: h.file.Outside.Alarm, RefuseAfter: h.file.Outside.Refuse,
		Refuse: h.refuseUncopied, Tell: h.tellOutside, Clock: clock, Slog: h.slog}
	for _, p := range h.file.Outside.Places {
		one, err := h.place(p, v.Name(), clock.Wall)
		if err != nil {
			return fmt.Errorf("place outside %s: %w", p.Name, err)
		}
		o.Places = append(o.Places, one)
	}
	h.outside, err = publish.Open(context.Background(), h.log, o)
	return err
}

// place makes the way to one place.
func (h *plantHouse) place(p outsidePlace, origin string, now func() time.Time) (publish.Place, error) {
	config, err := trusting(p.CA)
	if err != nil {
		return publish.Place{}, err
	}
	one := publish.Place{Name: p.Name, Every: p.Every}
	switch {
	case p.Witness != "":
		v, err := audit.LogVerifier(h.folder.keys())
		if err != nil {
			return one, err
		}
		one.Kind, one.Where = "witness", p.Witness
		one.Way, err = publish.NewWitness(p.Witness, p.WitnessKey, h.log, v, config, now)
		return one, err
	case p.Syslog != "":
		one.Kind, one.Where = "syslog", p.Syslog
		one.Way, err = publish.NewSyslog(p.Syslog, config, now)
		return one, err
	case p.S3 != "":
		user, secret, err := readLogin(p.Login)
		if err != nil {
			return one, err
		}
		one.Kind, one.Where = "s3", p.S3+"/"+p.Bucket
		one.Way, err = publish.NewS3(publish.S3Options{Address: p.S3, Bucket: p.Bucket, Prefix: p.Prefix, Region: p.Region,
			User: user, Secret: secret, Retain: p.Retain, TLS: config, Now: now})
		return one, err
	}
	user, secret := "", ""
	if p.Login != "" {
		if user, secret, err = readLogin(p.Login); err != nil {
			return one, err
		}
	}
	one.Kind, one.Where, one.Calm = "mail", p.Mail, true
	one.Way, err = publish.NewMail(publish.MailOptions{Server: p.Server, From: p.From, To: p.Mail, User: user, Secret: secret, TLS: config, Now: now})
	return one, err
}

// readLogin reads a file of two lines, name and secret, that nobody else may
// read. Its errors do not show them.
func readLogin(path string) (user, secret string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("the login: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", "", fmt.Errorf("%s can be read by others: run chmod go-rwx %s, and think about who may have read it", path, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", "", fmt.Errorf("the login: %w", err)
	}
	lines := strings.Split(string(trimLine(b)), "\n")
	if len(lines) != 2 || strings.TrimSpace(lines[0]) == "" || strings.TrimSpace(lines[1]) == "" {
		return "", "", fmt.Errorf("%s is no login: two lines, name and secret", path)
	}
	return strings.TrimSpace(lines[0]), strings.TrimSpace(lines[1]), nil
}

// refuseUncopied lets nobody new in while why is not empty.
func (h *plantHouse) refuseUncopied(why string) {
	if why == "" {
		h.admission.refuse("outside", nil)
		return
	}
	h.admission.refuse("outside", &policy.Refusal{Rule: "no-outside-copy",
		Say: "No copy of the record is outside this machine, so nobody new is let in until one is. Call the control room.", Why: why})
}

// tellOutside writes an alarm, or its end, into the log: boards that are open
// move with it, and later nobody has to guess when the window stood open.
func (h *plantHouse) tellOutside(alarm string) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if _, err := h.log.Append(ctx, audit.Event{Subject: "outside", Actor: "penstock", Body: audit.OutsideChanged{Alarm: alarm}}); err != nil {
		h.slog.Error("that copies outside changed could not be written", "err", err)
	}
}

// takeCheckpoint gives the newest checkpoint to a person of the plant, who
// keeps it outside. The event is under it.
func (h *plantHouse) takeCheckpoint(ctx context.Context, by people.Actor, way string) ([]byte, error) {
	if !by.Plant {
		return nil, &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant may take a checkpoint.", Why: fmt.Sprintf("%s of %s asked", by.Person, by.Firm)}
	}
	if _, err := h.log.Append(ctx, audit.Event{Subject: "checkpoint", Actor: string(by.Person), Body: audit.CheckpointTaken{Person: string(by.Person), Way: way}}); err != nil {
		return nil, fmt.Errorf("write that a checkpoint is taken: %w", err)
	}
	return h.outside.Took(string(by.Person))
}

func (h *plantHouse) outsideMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_tamper_window_seconds", "How long the oldest leaf that no copy outside covers has been in the log; 0: all are covered."),
		desc("penstock_outside_uncovered_leaves", "Leaves that no copy outside covers."),
		desc("penstock_outside_copy_age_seconds", "Since a place was last given a copy; absent before the first.", "place"),
		desc("penstock_outside_failing_seconds", "Since a place could not be reached; 0: it was.", "place"),
		desc("penstock_outside_contradicts", "1 while a place holds something that this log does not continue.", "place"),
	}, func(show func(int, float64, ...string)) error {
		s := h.outside.State()
		show(0, s.Age.Seconds())
		show(1, float64(s.Size-s.Covered))
		all := s.Places
		if s.Person != nil {
			all = append(all, *s.Person)
		}
		for _, p := range all {
			if p.Last.Size > 0 {
				show(2, max(0, time.Since(p.Last.At).Seconds()), p.Name)
			}
			failing := 0.0
			if !p.Failing.IsZero() {
				failing = max(0.001, time.Since(p.Failing).Seconds())
			}
			show(3, failing, p.Name)
			show(4, yes(p.Contrary != ""), p.Name)
		}
		return nil
	}}
}

// outsideCounts are counters, so that they stand apart from the gauges above.
type outsideCounts struct{ h *plantHouse }

var (
	outsideSent   = desc("penstock_outside_sent_total", "Checkpoints that a place took, since the start.", "place")
	outsideFailed = desc("penstock_outside_failed_total", "Attempts that failed, since the start.", "place")
)

func (o outsideCounts) Describe(ch chan<- *prometheus.Desc) { ch <- outsideSent; ch <- outsideFailed }
func (o outsideCounts) Collect(ch chan<- prometheus.Metric) {
	for _, p := range o.h.outside.State().Places {
		ch <- prometheus.MustNewConstMetric(outsideSent, prometheus.CounterValue, float64(p.Sent), p.Name)
		ch <- prometheus.MustNewConstMetric(outsideFailed, prometheus.CounterValue, float64(p.Failed), p.Name)
	}
}
