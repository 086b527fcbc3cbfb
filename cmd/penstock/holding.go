package main

import (
	"context"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/broker"
	"penstock/broker/holding"
	"penstock/policy"
	"penstock/policy/source"
)

// holdingFile is the part holding: what may wait here, and for how long.
type holdingFile struct {
	Limits  holding.Limits
	Scanner *holding.Clamd // part scanner; nil: none
}

func readHolding(v, scanner source.Value, dir string) (h holdingFile) {
	if v.Here() {
		part := v.Fields("bytes", "one", "age")
		h.Limits = holding.Limits{Bytes: part.Get("bytes").Size(1<<20, 1<<44), One: part.Get("one").Size(1<<10, 1<<40), Age: part.Get("age").Duration(time.Minute, 14*24*time.Hour)}
	}
	if !scanner.Here() {
		return h
	}
	part := scanner.Fields("clamd", "database")
	h.Scanner = &holding.Clamd{Network: "tcp", Address: part.Need("clamd").Text(), Oldest: 7 * 24 * time.Hour}
	if path, _, err := net.SplitHostPort(h.Scanner.Address); err != nil || path == "" {
		h.Scanner.Network, h.Scanner.Address = "unix", beside(dir, h.Scanner.Address)
	}
	if at := part.Get("database"); at.Text() == "any" {
		h.Scanner.Oldest = 0
	} else if at.Here() {
		h.Scanner.Oldest = at.Duration(time.Hour, 365*24*time.Hour)
	}
	return h
}

// openHolding: files that wait, and whoever looks into them.
func (h *plantHouse) openHolding(clock audit.Clock) (err error) {
	parts := holding.Parts{Dir: filepath.Join(string(h.folder), "holding"), Desk: h.desk, Broker: h.broker, Limits: h.file.Holding.Limits, Now: clock.Wall, Tell: h.tellScanner,
		Dial: func(ctx context.Context, c *broker.Channel, a policy.AccountName) (ssh.Conn, error) {
			return h.dialer.SSH(ctx, c, a)
		}}
	if s := h.file.Holding.Scanner; s != nil {
		parts.Scanner = *s
	}
	if h.holding, err = holding.Open(parts); err != nil {
		return err
	}
	h.desk.StopsFiles(h.holding)
	return nil
}

// tellScanner writes that the scanner cannot look, or can again, into the log, and so to who follows it.
func (h *plantHouse) tellScanner(alarm string) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if _, err := h.log.Append(ctx, audit.Event{Subject: "scanner", Actor: "penstock", Body: audit.ScannerChanged{Alarm: alarm}}); err != nil {
		h.slog.Error("that the scanner changed could not be written", "err", err)
	}
}
