package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/broker/brokertest"
)

// reloaded: at SIGHUP all of it counts, or nothing.
func reloaded(t *testing.T, golden *rig) {
	r := golden.copy(t)
	port, err := brokertest.FreePort()
	r.must(err)
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.must(makeSelfSigned(r.path("https.pem"), "localhost", time.Now()))
	r.edit("penstock.yaml", "https: off\n", fmt.Sprintf("https: {listen: %q, certificate: https.pem, key: https.pem}\n", at))
	r.start()
	first := browsersSee(t, at)
	server, err := os.ReadFile(r.path("penstock.yaml"))
	r.must(err)
	plant, err := os.ReadFile(r.path("plant.yaml"))
	r.must(err)
	pair, err := os.ReadFile(r.path("https.pem"))
	r.must(err)
	r.must(makeSelfSigned(r.path("next.pem"), "localhost", time.Now()))
	next, err := os.ReadFile(r.path("next.pem"))
	r.must(err)
	newPlant := "# a new text is a new plant file\n" + string(plant)
	put := func(name, text string) { r.must(os.WriteFile(r.path(name), []byte(text), 0o600)) }
	before := changes(r)

	// One of the three is broken, and the other two are new: nothing changes.
	for _, row := range []struct{ story, server, plant, pair, says string }{
		{"the server's file", string(server) + "plants: two\n", newPlant, string(next), `(?s)nothing was reloaded[^\n]*plants`},
		{"the plant file", string(server) + "log: debug\n", strings.Replace(newPlant, "level: 1", "level: one", 1), string(next), `(?s)nothing was reloaded[^\n]*plant.yaml:\d+`},
		{"the certificate", string(server) + "log: debug\n", newPlant, string(pair[:len(pair)/2]), `(?s)nothing was reloaded[^\n]*certificate and key`},
	} {
		put("penstock.yaml", row.server)
		put("plant.yaml", row.plant)
		put("https.pem", row.pair)
		r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
		r.said(row.says)
		if now := changes(r); now != before {
			t.Errorf("%s is broken, and the log says: %s", row.story, now)
		}
		if browsersSee(t, at) != first {
			t.Errorf("%s is broken, and browsers see another certificate", row.story)
		}
	}

	put("penstock.yaml", string(server)+"log: debug\n")
	put("plant.yaml", newPlant)
	put("https.pem", string(next))
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`the server's file was taken`)
	if browsersSee(t, at) == first {
		t.Error("the new certificate is not shown")
	}
	if now := changes(r); now != before+"plant server " {
		t.Errorf("config.changed: %s", now)
	}

	// What only a start can give is named, and taken by none.
	put("penstock.yaml", strings.Replace(string(server), "name: localhost", "name: other.example", 1)+"drain: 3m\noutside: {alarm_after: 2m, places: []}\n")
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`"needs_a_restart":"name, drain, outside"`)
	if now := changes(r); now != before+"plant server " {
		t.Errorf("config.changed: %s", now)
	}

	// From a file that wants agreement on, what stands on the disk changes nothing,
	// while it runs and at the next start.
	put("penstock.yaml", string(server)+"log: debug\n")
	put("plant.yaml", strings.Replace(newPlant, "plant_changes: by_file", "plant_changes: agreed", 1))
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`(?s)(the plant file was taken.*){2}`)
	put("plant.yaml", newPlant)
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`the plant file was not taken[^\n]*plant-not-agreed`)
	if now := changes(r); now != before+"plant server plant " {
		t.Errorf("config.changed: %s", now)
	}
	r.stop()
	r.start()
	r.said(`the plant file on the disk is not the one in force`)
	if now := changes(r); now != before+"plant server plant " {
		t.Errorf("config.changed after a start: %s", now)
	}
	r.stop()
	r.proved()
}

// browsersSee is the certificate that browsers get.
func browsersSee(t *testing.T, at string) string {
	t.Helper()
	c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true}) // which one is the question
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return string(c.ConnectionState().PeerCertificates[0].Raw)
}

// changes lists the kinds of config.changed in the log.
func changes(r *rig) string {
	var b strings.Builder
	for _, leaf := range r.leaves() {
		if leaf.Body.Type() == "config.changed" {
			b.WriteString(leaf.Subject + " ")
		}
	}
	return b.String()
}
