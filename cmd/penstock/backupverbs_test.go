package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/broker/api"
)

// A backup that the broker breaks off leaves no file that could be taken for one.
func TestABrokenOffBackupLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("half a backup ", 10_000)) // the test reads it
		panic(http.ErrAbortHandler)
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	defer func() {
		srv.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	body, err := api.Unix(filepath.Join(dir, "s")).Backup(t.Context(), api.Backup{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	to := filepath.Join(dir, "plant.backup")
	if err := os.WriteFile(to, []byte("the one of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeOut(io.Discard, to, body); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "the one of yesterday" {
		t.Errorf("yesterday's is gone: %.40q %v", b, err)
	}
	if _, err := os.Stat(to + ".part"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a part was left: %v", err)
	}
}
