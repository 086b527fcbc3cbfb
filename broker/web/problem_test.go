package web

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"penstock/broker/api"
	"penstock/policy"
)

// TestStrangersDoNotFillTheLog: whoever has no password decides neither how
// many lines the broker writes nor how long they are.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	s := &server{Parts: Parts{Slog: slog.New(slog.NewJSONHandler(&log, nil)),
		Authorities: func() api.Authorities { return api.Authorities{Name: "broker.example", Port: 2222} }}}
	for _, rule := range []string{"login", "login-wait", "login-busy"} {
		s.fail(httptest.NewRecorder(), httptest.NewRequest("POST", "/api/v1/sign-in", nil), fmt.Errorf("x: %w", &policy.Refusal{Rule: rule, Say: "no"}))
	}
	if log.Len() != 0 {
		t.Errorf("lines of sign-ins: %s", &log)
	}
	long := "/" + strings.Repeat("a", 15<<10)
	s.fail(httptest.NewRecorder(), httptest.NewRequest("GET", long, nil), &policy.Refusal{Rule: "plant-only", Say: "no"})
	s.fail(httptest.NewRecorder(), httptest.NewRequest("GET", long, nil), errors.New("a fault"))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || len(lines[0]) > 600 || len(lines[1]) > 600 {
		t.Errorf("%d lines, %d bytes", len(lines), log.Len())
	}
}
