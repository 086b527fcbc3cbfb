package pack_test

import (
	"archive/zip"
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"

	"filippo.io/age"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

type deaf struct{}

func (deaf) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	return audit.Leaf{Event: ev}, nil
}

// tunnelled is a recording of a shell and a TCP stream.
func tunnelled(t *testing.T) func() (*recording.Reader, error) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir)
	must(err)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- disk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ran })
	id, err := age.GenerateX25519Identity()
	must(err)
	a, err := recording.OpenArchive(recording.Parts{Dir: filepath.Join(dir, "r"), HeadsDir: filepath.Join(dir, "h"), Disk: disk, Log: deaf{},
		Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1})
	must(err)
	w, _, _, err := a.Create(ctx, recording.Header{Session: "S-1"})
	must(err)
	for ch, frames := range map[int][]string{0: {"oflow 812\n"}, 1: {`q{"allowed":true,"kind":"direct-tcpip","source":"127.0.0.1:4000","target":"127.0.0.1:502"}`,
		"mconnected to 127.0.0.1:502", "ihunter2", "oflow 812"}} {
		s, err := w.Stream(ch, []string{"shell", "direct-tcpip"}[ch])
		must(err)
		for _, f := range frames {
			must(s.Commit(ctx, recording.Mark(f[0]), []byte(f[1:])))
		}
	}
	_, err = w.Close(ctx, "client")
	must(err)
	return func() (*recording.Reader, error) { return a.Open("S-1") }
}

// TestWhatTheVendorSentIsARightOfItsOwn: without it a pack has no TCP stream.
func TestWhatTheVendorSentIsARightOfItsOwn(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	read := tunnelled(t)
	for _, may := range []bool{false, true} {
		o := order(t, f)
		o.Input = may
		o.Open = func(_ context.Context, id string) (*recording.Reader, error) {
			if id != "S-1" {
				return nil, nil
			}
			return read()
		}
		b := made(t, o)
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(z.File, func(f *zip.File) bool { return f.Name == name })
		}
		if !has("exports/S-1/c00-shell.txt") || has("exports/S-1/c01-direct-tcpip.pcapng") != may {
			t.Errorf("may see what was sent: %v; the stream is in it: %v", may, !may)
		}
	}
}
