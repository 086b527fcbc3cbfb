package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// reloader takes new files while the broker runs. taken is the server's file
// as it counts now; only run's goroutine reads or writes it.
type reloader struct {
	*plantHouse
	taken serverFile
	https *httpsListener // nil: off
}

// run reads the files again at each SIGHUP.
func (r *reloader) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hangups:
		}
		if err := r.reload(ctx); err != nil {
			r.slog.Error("nothing was reloaded: the server's file, the plant file and the certificate in force stay", "err", err)
		}
	}
}

// reload reads the server's file, the plant file and the certificate, and takes
// all of them or, where one is broken, none. A plant file that nobody agreed to
// (plant_changes) stays untaken, and is named; the rest is taken. A server's file that asks for what
// only a start can give stays untaken as a whole, and is named; the rest is taken.
func (r *reloader) reload(ctx context.Context) error {
	f, err := readServerFile(r.taken.Path)
	if err != nil {
		return err
	}
	if fixed := f.needRestart(r.taken); len(fixed) > 0 {
		r.slog.Warn("the server's file was not taken: what changed in it needs a restart; the one in force stays", "needs_a_restart", strings.Join(fixed, ", "))
		f = r.taken
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		return err
	}
	if p.plant.Site.ID != r.plant().Site.ID {
		return fmt.Errorf("the file is of site %q, and this broker serves %q: another plant is another broker", p.plant.Site.ID, r.plant().Site.ID)
	}
	var cert tls.Certificate
	if r.https != nil {
		if cert, err = r.httpsCertificate(f.HTTPS, time.Now()); err != nil {
			return err
		}
	}
	if err := r.plantFromFile(ctx, p); err != nil {
		return err
	}
	if _, err := putIntoForce(ctx, r.log, r.docs, "server", f.Text, audit.HashOf(r.taken.Text)); err != nil {
		return err
	}
	r.takeServer(f, cert)
	return nil
}

// plantFromFile asks the desk, which takes the file if the one in force lets a
// file change it. A file that nobody agreed to keeps nothing else back: it may be
// a change that is being written.
func (r *reloader) plantFromFile(ctx context.Context, p plantFile) error {
	if p.hash == r.inForce.Load().hash {
		r.slog.Info("the plant file is as it was")
		return nil
	}
	err := r.desk.PlantFromFile(ctx, p.plant)
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		r.slog.Error("the plant file was not taken", "rule", no.Rule, "say", no.Say, "why", no.Why)
		return nil
	}
	return err
}

func (r *reloader) takeServer(f serverFile, cert tls.Certificate) {
	if r.https != nil && !slices.EqualFunc(cert.Certificate, r.https.certificate.Load().Certificate, slices.Equal) {
		r.https.certificate.Store(&cert)
		r.slog.Info("the certificate for browsers was taken", "https_fingerprint", r.https.fingerprint(), "until", cert.Leaf.NotAfter)
	}
	f.Clock = r.taken.Clock
	if f.Level = r.taken.Level; f.Level != nil {
		f.Level.Set(f.LogLevel)
	}
	if string(f.Text) != string(r.taken.Text) {
		r.slog.Info("the server's file was taken", "config", f.Path)
	}
	r.taken = f
}

// What a reload takes of the server's file; HTTPS but for its address. Fields
// that are not named here, those of tomorrow too, need a restart.
var reloadable = []string{"Path", "Text", "Plant", "HTTPS", "LogLevel", "Level", "NewKeys", "Clock"}

// needRestart names what differs from the file in force and cannot change while the broker runs.
func (f serverFile) needRestart(old serverFile) []string {
	var names []string
	a, b := reflect.ValueOf(f), reflect.ValueOf(old)
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		if !slices.Contains(reloadable, name) && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			word := map[string]string{"SSHPort": "ssh", "MinFree": "min_free", "EndFree": "end_free", "Loopback": "loopback_targets"}[name]
			names = append(names, cmp.Or(word, strings.ToLower(name)))
		}
	}
	if f.HTTPS.Here != old.HTTPS.Here || f.HTTPS.Listen != old.HTTPS.Listen {
		names = append(names, "https")
	}
	return slices.Compact(names)
}
