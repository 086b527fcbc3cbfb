package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBackupNotOverHTTPS: everything that the broker has leaves only by the
// private socket, also for somebody who may take a backup there.
func TestBackupNotOverHTTPS(t *testing.T) {
	h := newHouse(t)
	h.enrol(t, "sec")
	token := h.signIn(t, "sec", true)
	srv := httptest.NewTLSServer(h.web)
	defer srv.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/api/v1/backup", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("over https: %s", resp.Status)
	}
	if status, _ := h.call(t, "POST", "/backup", token, "{}"); status != http.StatusOK {
		t.Errorf("over the socket: %d", status)
	}
}
