package sshd

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	maxCommand = 32 << 10 // bytes of an exec request
	maxModes   = 1 << 10
	maxCells   = 10000
	maxEnv     = 32
)

// ptyRequest is pty-req (RFC 4254, 6.2). raw is passed on as it came, with all modes.
type ptyRequest struct {
	Term                      string
	Cols, Rows, Width, Height uint32
	Modes                     string
	raw                       []byte
}

// parsePty checks a pty-req; ssh.Unmarshal refuses lengths that do not fit
// (0xFFFFFFFF too) and bytes behind the end.
func parsePty(payload []byte) (ptyRequest, error) {
	var wire struct {
		Term                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}
	if err := ssh.Unmarshal(payload, &wire); err != nil {
		return ptyRequest{}, fmt.Errorf("pty-req: %w", err)
	}
	switch {
	case !word(wire.Term, 0, 40, "._-"): // none: a client that cron has started
		return ptyRequest{}, errors.New("pty-req: TERM is not [A-Za-z0-9._-]{0,40}")
	case wire.Cols > maxCells || wire.Rows > maxCells:
		return ptyRequest{}, errors.New("pty-req: more than 10000 columns or rows")
	case len(wire.Modes) > maxModes:
		return ptyRequest{}, errors.New("pty-req: more than 1 KiB of modes")
	}
	return ptyRequest{wire.Term, wire.Cols, wire.Rows, wire.Width, wire.Height, wire.Modes, append([]byte(nil), payload...)}, nil
}

// word: letters, digits and the extra characters, min to max bytes.
func word(s string, min, max int, extra string) bool {
	if len(s) < min || len(s) > max {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return true
}

// parseEnv checks an env request (RFC 4254, 6.4); allowed are LANG and LC_*
// with the characters of a locale's name: nothing that a shell or a linker reads as more.
func parseEnv(payload []byte) (name, value string, err error) {
	var wire struct{ Name, Value string }
	if err := ssh.Unmarshal(payload, &wire); err != nil {
		return "", "", fmt.Errorf("env: %w", err)
	}
	if wire.Name != "LANG" && !(strings.HasPrefix(wire.Name, "LC_") && word(wire.Name[3:], 1, 20, "_")) {
		return wire.Name, "", errors.New("env: only LANG and LC_* are passed on")
	}
	if !word(wire.Value, 0, 64, "._@-") {
		return wire.Name, "", errors.New("env: the value is not a locale's name")
	}
	return wire.Name, wire.Value, nil
}

// parseCommand checks an exec or subsystem request (RFC 4254, 6.5).
func parseCommand(payload []byte) (string, error) {
	var wire struct{ Command string }
	if err := ssh.Unmarshal(payload, &wire); err != nil {
		return "", fmt.Errorf("exec: %w", err)
	}
	if len(wire.Command) > maxCommand {
		return "", fmt.Errorf("exec: the command has %d bytes, at most %d pass; put it into a script on the machine", len(wire.Command), maxCommand)
	}
	if strings.IndexByte(wire.Command, 0) >= 0 {
		return "", errors.New("exec: the command holds a zero byte")
	}
	return wire.Command, nil
}

// parseResize checks window-change (RFC 4254, 6.7).
func parseResize(payload []byte) (cols, rows uint32, err error) {
	var wire struct{ Cols, Rows, Width, Height uint32 }
	if err := ssh.Unmarshal(payload, &wire); err != nil {
		return 0, 0, fmt.Errorf("window-change: %w", err)
	}
	if wire.Cols > maxCells || wire.Rows > maxCells {
		return 0, 0, errors.New("window-change: more than 10000 columns or rows")
	}
	return wire.Cols, wire.Rows, nil
}

// parseSignal checks signal (RFC 4254, 6.9): a name without "SIG".
func parseSignal(payload []byte) (string, error) {
	var wire struct{ Name string }
	if err := ssh.Unmarshal(payload, &wire); err != nil {
		return "", fmt.Errorf("signal: %w", err)
	}
	if !word(wire.Name, 1, 32, "@.-") {
		return "", errors.New("signal: no signal's name")
	}
	return wire.Name, nil
}

// endOfWrite is how OpenSSH's client says that nobody reads what it shows any
// more, as in "ssh … | head" (OpenSSH's PROTOCOL, 2.1): the machine's program
// is to be told, or it goes on for ever.
const endOfWrite = "eow@openssh.com"

// readable says whether a signal, break or end of showing is what it says.
func readable(req *ssh.Request) bool {
	switch req.Type {
	case "signal":
		_, err := parseSignal(req.Payload)
		return err == nil
	case "break":
		return len(req.Payload) == 4
	}
	return len(req.Payload) == 0
}

// exitOf reads exit-status and exit-signal (RFC 4254, 6.10) of a target, for the record.
func exitOf(kind string, payload []byte) (string, bool) {
	switch kind {
	case "exit-status":
		var wire struct{ Status uint32 }
		if ssh.Unmarshal(payload, &wire) == nil {
			return fmt.Sprint(wire.Status), true
		}
	case "exit-signal":
		var wire struct {
			Name  string
			Core  bool
			Error string
			Lang  string
		}
		if len(payload) <= 4<<10 && ssh.Unmarshal(payload, &wire) == nil {
			return "signal " + clean(wire.Name, 32), true
		}
	}
	return "", false
}
