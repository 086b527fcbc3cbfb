package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy/source"
)

// serverFile is penstock.yaml: how this broker runs. What may happen in the
// plant is in the plant file, not here. Paths are relative to the file.
type serverFile struct {
	Path       string         // of the file itself
	Text       []byte         // as read
	Node       string         // short name of this node, in every leaf
	Name       string         // host name as vendors write it
	Data       string         // data directory
	Plant      string         // plant file
	Bootstrap  string         // first people; read only when the log is new
	SSH        string         // listen address
	SSHPort    int            // as vendors reach it; default: the listen port
	HTTPS      httpsFile      // pages and API for browsers
	Socket     string         // private unix socket; default DATA/penstock.sock
	MinFree    int64          // bytes that must be free for a new session; 0: the archive's default
	EndFree    int64          // below it sessions are ended; 0: the archive's default
	Level      *slog.LevelVar // LogLevel as it runs; nil: it cannot change
	NewKeys    bool           // from --new-keys: make keys that are lost anew
	Private    string         // private listener: loopback address or unix socket; empty: none
	LogLevel   slog.Level
	Drain      time.Duration  // how long sessions may go on after serve was told to stop
	Outside    outsideFile    // where checkpoints go
	SIEM       []siemPlace    // where events go
	OIDC       oidcFile       // the plant's own sign-in service
	Notices    []noticePlace  // how people hear that something waits for them
	Holding    holdingFile    // where files wait, and who looks into them
	Recordings recordingsFile // who can open what is recorded
	Loopback   bool           // loopback_targets: targets on this very machine (demo, tests)
	Clock      audit.Clock    // what log, desk and codes go by; zero: the machine's. No key of the file sets it: a test does, that lives through years
}

// readServerFile reads penstock.yaml strictly; all problems at once.
func readServerFile(path string) (serverFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return serverFile{}, fmt.Errorf("read the server's file: %w", err)
	}
	var report source.Report
	f := serverFile{Path: path, Text: text}
	fields := source.Load(path, text, &report).Fields(
		"node", "name", "data", "plant", "bootstrap", "ssh", "https", "socket", "min_free", "end_free", "loopback_targets",
		"outside", "siem", "notices", "oidc", "private", "log", "drain", "recordings", "holding", "scanner")
	f.Node = word(fields.Get("node"), "a")
	f.Name = hostName(fields.Need("name"))
	dir := filepath.Dir(path)
	f.Data = beside(dir, fields.Need("data").Text())
	f.Plant = beside(dir, fields.Need("plant").Text())
	f.Bootstrap = beside(dir, fields.Get("bootstrap").Text())
	f.Socket = beside(dir, fields.Get("socket").Text())
	if f.Socket == "" {
		f.Socket = filepath.Join(f.Data, "penstock.sock")
	}
	f.MinFree, f.EndFree = byteSize(fields.Get("min_free")), byteSize(fields.Get("end_free"))
	f.readRunning(dir, fields)
	f.Loopback = fields.Get("loopback_targets").Bool()
	ssh := fields.Get("ssh").Fields("listen", "port")
	f.SSH = listenAddress(ssh.Get("listen"), ":2222")
	f.SSHPort = ssh.Get("port").Int(1, 65535)
	if f.SSHPort == 0 {
		_, port, _ := net.SplitHostPort(f.SSH)
		f.SSHPort, _ = strconv.Atoi(port)
	}
	f.HTTPS = readHTTPS(dir, fields.Get("https"))
	f.Outside = readOutside(dir, fields.Get("outside"))
	f.Recordings = readRecordings(fields.Get("recordings"))
	f.SIEM = readSIEM(dir, fields.Get("siem"))
	f.Holding = readHolding(fields.Get("holding"), fields.Get("scanner"), dir)
	f.OIDC = readOIDC(dir, fields.Get("oidc"))
	f.Notices = readNotices(dir, fields.Get("notices"))
	if err := report.Problems().Err(); err != nil {
		return serverFile{}, err
	}
	return f, nil
}

// httpsFile is the part https; without it browsers are served on :8443.
// Certificate and Key empty: serve makes a self-signed pair in keys/ and says
// its fingerprint. Listen may be SSH's: then the first byte tells them apart.
type httpsFile struct {
	Here             bool   // false: "https: off", nobody listens for browsers
	Listen           string // default :8443
	Certificate, Key string // PEM files
}

func readHTTPS(dir string, v source.Value) (h httpsFile) {
	h = httpsFile{Here: true, Listen: ":8443"}
	if !v.Here() {
		return h
	}
	if v.Kind() == "text" && v.Text() == "off" {
		return httpsFile{}
	}
	part := v.Fields("listen", "certificate", "key")
	h.Listen = listenAddress(part.Get("listen"), ":8443")
	h.Certificate, h.Key = beside(dir, part.Get("certificate").Text()), beside(dir, part.Get("key").Text())
	if (h.Certificate == "") != (h.Key == "") {
		v.Refuse("certificate and key belong together", "name both files, or neither: serve then makes its own")
	}
	return h
}

func beside(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func word(v source.Value, otherwise string) string {
	s := v.Text()
	if s == "" {
		return otherwise
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			v.Refuse(fmt.Sprintf("%q has other signs than a-z, 0-9 and -", s), "a short name such as "+otherwise)
			return otherwise
		}
	}
	return s
}

func hostName(v source.Value) string {
	s := v.Text()
	ok := s != ""
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			ok = false
		}
	}
	if _, err := netip.ParseAddr(s); err == nil {
		ok = true
	}
	if v.Here() && !ok {
		v.Refuse(fmt.Sprintf("%q is no host name", s), "the name vendors will type, such as broker.kiel.example")
	}
	return s
}

// byteSize reads 512MiB or 2GiB; absent is 0.
func byteSize(v source.Value) int64 {
	s := v.Text()
	if s == "" {
		return 0
	}
	for unit, factor := range map[string]int64{"MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, ok := strings.CutSuffix(s, unit); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 20); err == nil && n > 0 {
				return int64(n) * factor
			}
		}
	}
	v.Refuse(fmt.Sprintf("%q is no size", s), "such as 512MiB or 2GiB")
	return 0
}

func listenAddress(v source.Value, otherwise string) string {
	s := v.Text()
	if s == "" {
		return otherwise
	}
	host, port, err := net.SplitHostPort(s)
	n, nerr := strconv.Atoi(port)
	if err == nil && host != "" {
		_, err = netip.ParseAddr(host)
	}
	if err != nil || nerr != nil || n < 1 || n > 65535 {
		v.Refuse(fmt.Sprintf("%q is no address to listen on", s), "such as :2222 or 192.0.2.10:2222")
		return otherwise
	}
	return s
}
