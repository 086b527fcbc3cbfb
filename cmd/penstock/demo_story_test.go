package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/broker/api"
	"penstock/broker/brokertest"
)

// outsider is a program that knows only what penstock demo --json says.
type outsider struct {
	t    *testing.T
	says struct {
		Dir    string
		Broker struct {
			HTTPS       string
			Fingerprint string `json:"https_fingerprint"`
			Data        string
			Plant       string
		}
		Panel  string
		People []struct {
			Name, Password string
			Code           []string
		}
		Machines []struct{ Asset, Port, Address string }
		Files    struct {
			Config      string `json:"ssh_config"`
			Certificate string
		}
	}
	web *http.Client
	env []string
}

func newOutsider(t *testing.T, text string) *outsider {
	t.Helper()
	o := &outsider{t: t}
	if err := json.Unmarshal([]byte(text), &o.says); err != nil {
		t.Fatalf("--json: %v\n%s", err, text)
	}
	o.web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // the fingerprint is what is believed
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if got := strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sha256.Sum256(raw[0]))), " ", ":"); got != o.says.Broker.Fingerprint {
				return errors.New("another certificate than --json says: " + got)
			}
			return nil
		}}}}
	t.Cleanup(o.web.CloseIdleConnections)
	// ssh asks a program for the code, as it would ask a person's password store.
	ask := filepath.Join(t.TempDir(), "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\nexec "+strings.Join(o.person("ann").Code, " ")+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	o.env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "SSH_AUTH_SOCK=")
	return o
}

func (o *outsider) person(name string) (p struct {
	Name, Password string
	Code           []string
}) {
	o.t.Helper()
	for _, p := range o.says.People {
		if p.Name == name {
			return p
		}
	}
	o.t.Fatalf("--json does not name %s", name)
	return p
}

// raw is the answer to one request; token empty is nobody.
func (o *outsider) raw(method, url, token string, body any) []byte {
	o.t.Helper()
	send, err := json.Marshal(body)
	if err != nil {
		o.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(o.t.Context(), method, url, bytes.NewReader(send))
	if err != nil {
		o.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := o.web.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		o.t.Fatalf("%s %s: %d %s %v", method, url, answer.StatusCode, text, err)
	}
	return text
}

func (o *outsider) call(method, url, token string, body, to any) {
	o.t.Helper()
	text := o.raw(method, url, token, body)
	if to == nil {
		return
	}
	if err := json.Unmarshal(text, to); err != nil {
		o.t.Fatalf("%s %s: %v in %s", method, url, err, text)
	}
}

func (o *outsider) api(method, path, token string, body, to any) {
	o.t.Helper()
	o.call(method, o.says.Broker.HTTPS+"/api/v1"+path, token, body, to)
}

// signIn is name's token, with a code: it may give.
func (o *outsider) signIn(name string) string {
	o.t.Helper()
	p := o.person(name)
	code, err := exec.Command(p.Code[0], p.Code[1:]...).Output()
	if err != nil {
		o.t.Fatalf("a code of %s: %v", name, err)
	}
	var token api.Token
	o.api("POST", "/sign-in", "", api.SignIn{Person: name, Password: p.Password, Code: strings.TrimSpace(string(code))}, &token)
	return token.Token
}

// run is a program with ssh's configuration in front of its arguments.
func (o *outsider) run(code int, name string, args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), name, append([]string{"-F", o.says.Files.Config}, args...)...)
	cmd.Env, cmd.Dir = o.env, o.says.Dir
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		o.t.Fatalf("%s %v ended with %d, want %d: %v\n%s", name, args, got, code, err, out)
	}
	return string(out)
}

func (o *outsider) sees(shown, want string) {
	o.t.Helper()
	if !strings.Contains(shown, want) {
		o.t.Errorf("shown is\n%s\nand not %q", shown, want)
	}
}

// panel is the line's state, after a button where one is pressed.
func (o *outsider) panel(method, path string) (s struct {
	Running, Alarm bool
	Flow           float64
	Volume         float64 `json:"fill_volume"`
	Request        string
}) {
	o.t.Helper()
	o.call(method, o.says.Panel+path, "", nil, &s)
	return s
}

// demoNight is the night story over API and ssh, told by --json alone.
func demoNight(t *testing.T, bin string) {
	dir := filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, bin, "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0", "--json")
	r.until("\n}\n")
	o := newOutsider(t, r.shown())

	if s := o.panel("GET", "/state"); !s.Running || s.Flow < 700 {
		t.Fatalf("the line does not run: %+v", s)
	}
	fault := o.panel("POST", "/fault")
	if fault.Running || !fault.Alarm || fault.Flow != 0 || fault.Volume != 812 || fault.Request == "" {
		t.Fatalf("the fault button: %+v", fault)
	}
	var request api.Request
	olaf := o.signIn("olaf")
	o.api("GET", "/requests/"+fault.Request, olaf, nil, &request)
	o.api("POST", "/requests/"+request.ID+"/answer", olaf, api.Answer{Document: request.Document, Says: "yes"}, &request)
	if request.State != "agreed" || request.Window == "" {
		t.Fatalf("after Olaf's yes: %+v", request)
	}
	window := "/windows/" + request.Window
	mia := o.signIn("mia")
	o.keyIs(mia, "yes")
	o.api("POST", window+"/open", mia, api.Step{}, nil)

	modbus := o.opensModbus(olaf, mia)
	o.opensToStart(olaf, mia)
	certificate := exec.CommandContext(t.Context(), "ssh", "-F", o.says.Files.Config, "cert@broker")
	certificate.Env = o.env
	text, err := certificate.Output()
	if err != nil {
		t.Fatalf("cert@broker: %v", err)
	}
	if err := os.WriteFile(o.says.Files.Certificate, text, 0o600); err != nil {
		t.Fatal(err)
	}
	o.sees(o.run(0, "ssh", "filler-plc.kiel", "show", "alarms"), "F-417  active  fill volume drifts, 812 ml")
	o.sees(o.run(1, "ssh", "filler-plc.kiel", "start"), "account recipes may not start on this machine")
	o.sees(o.run(255, "ssh", "maint@filler-plc.kiel", "start"), "this window is not for filler-plc by ssh as maint")
	o.sees(o.run(1, "ssh", "filler-plc.kiel", "set", "fill-volume", "1001"), "nothing was changed")
	o.sees(o.run(0, "ssh", "filler-plc.kiel", "set", "fill-volume", "800"), "no alarm")
	o.run(0, "scp", "-q", "filler-plc.kiel:log/fil1.log", "fil1.log")
	log, err := os.ReadFile(filepath.Join(dir, "fil1.log"))
	if err != nil || !strings.Contains(string(log), "812 -> 800 ml (ssh recipes, krall/ann)") {
		t.Errorf("the controller's own log: %v\n%s", err, log)
	}
	o.sees(o.run(1, "scp", "-q", "fil1.log", "filler-plc.kiel:program/fil1.prg"), "ask for more if you need load")

	session := o.readsModbus()
	if s := o.panel("GET", "/state"); s.Alarm || s.Running || s.Volume != 800 {
		t.Errorf("after the setting: %+v", s)
	}
	o.losesTheKey(window, mia)
	o.isNarrowed(window, request.Window, mia)
	if s := o.panel("POST", "/start"); !s.Running || s.Flow < 700 {
		t.Errorf("the line was started: %+v", s)
	}
	o.api("POST", window+"/end", mia, api.Step{}, nil)
	o.api("POST", "/windows/"+modbus+"/end", mia, api.Step{}, nil)
	o.dissects(session)
	o.sees(o.run(0, "ssh", "desk@broker", "handback", request.Window, "'Fill volume 812 to 800 ml'"), "Handed back")
	o.api("POST", window+"/accept", olaf, api.Step{}, nil)
	r.interrupt()
	r.end(0)
	nobodyLeft(t, dir)
	proof, err := exec.CommandContext(t.Context(), filepath.Join(bin, "penstock-verify"), o.says.Broker.Data).CombinedOutput()
	if err != nil {
		t.Errorf("penstock-verify: %v\n%s", err, proof)
	}
	o.sees(string(proof), "Proved")
}

// keyIs waits for what the broker reads at the key switch.
func (o *outsider) keyIs(token, says string) {
	o.t.Helper()
	if late := until("the key switch says "+says, func() (bool, error) {
		var gates []api.Gate
		o.api("GET", "/gates", token, nil, &gates)
		return len(gates) == 1 && gates[0].Gate == "line-1-key" && gates[0].Says == says, nil
	}); late != nil {
		o.t.Fatal(late)
	}
}

// losesTheKey turns the key switch off while the window runs: it is paused by
// Penstock, and goes on by Mia once the key is on again.
func (o *outsider) losesTheKey(window, mia string) {
	o.t.Helper()
	now := func() (w api.Window) {
		o.api("GET", window, mia, nil, &w)
		return w
	}
	o.panel("POST", "/key")
	o.keyIs(mia, "no")
	if late := until("the window is paused", func() (bool, error) { return now().State == "paused", nil }); late != nil {
		o.t.Fatal(late)
	}
	if w := now(); w.By != "penstock" || !strings.Contains(w.Why, "Vendor key switch on panel A3 (off)") {
		o.t.Errorf("paused by %s: %s", w.By, w.Why)
	}
	o.panel("POST", "/key")
	o.keyIs(mia, "yes")
	o.api("POST", window+"/go-on", mia, api.Step{}, nil)
	o.sees(o.run(0, "ssh", "filler-plc.kiel", "show", "alarms"), "no alarm")
}

// opensModbus asks for the controller's Modbus port, and has it agreed and opened.
func (o *outsider) opensModbus(olaf, mia string) (window string) {
	o.t.Helper()
	var request api.Request
	said := o.run(0, "ssh", "desk@broker", "request", "--target", "filler-plc:modbus", "--rights", "look,set", "--minutes", "30",
		"--work-order", "WO-4711", "--why", "'Compare registers'", "--json")
	var asked struct{ Request string }
	if err := json.Unmarshal([]byte(said), &asked); err != nil {
		o.t.Fatalf("request --json: %v in %s", err, said)
	}
	o.api("GET", "/requests/"+asked.Request, olaf, nil, &request)
	o.api("POST", "/requests/"+request.ID+"/answer", olaf, api.Answer{Document: request.Document, Says: "yes"}, &request)
	o.api("POST", "/windows/"+request.Window+"/open", mia, api.Step{}, nil)
	return request.Window
}

// isNarrowed is the end of Mia's shift: look only for Ann, and the window is
// offered to whoever comes.
func (o *outsider) isNarrowed(path, window, mia string) {
	o.t.Helper()
	var w api.Window
	o.api("POST", path+"/narrow", mia, api.Step{Rights: []string{"look"}, Why: "end of shift"}, &w)
	if w.State != "open" || strings.Join(w.Rights, ",") != "look" {
		o.t.Errorf("narrowed: %+v", w)
	}
	o.sees(o.run(255, "ssh", "filler-plc.kiel", "set", "fill-volume", "801"), "can do more than")
	var h api.Handover
	o.api("POST", "/handovers", mia, api.Handover{Team: "shift", Due: time.Now().Add(time.Minute), Says: "F-417 is gone"}, &h)
	if !slices.ContainsFunc(h.Items, func(i api.Handed) bool { return i.Window == window && i.By == "" }) {
		o.t.Errorf("handed over: %+v", h)
	}
	var open []api.Handover
	o.api("GET", "/handovers", mia, nil, &open)
	if len(open) != 1 || open[0].ID != "H-1" || open[0].Says != "F-417 is gone" {
		o.t.Errorf("offered: %+v", open)
	}
}

// opensToStart is what starts the line as the example plant wants it: the owner's
// yes, a word that the area is clear, the key, and an escort.
func (o *outsider) opensToStart(olaf, mia string) {
	o.t.Helper()
	var request api.Request
	var w api.Window
	said := o.run(0, "ssh", "desk@broker", "request", "--target", "filler-plc:modbus", "--rights", "look,set,operate", "--minutes", "30",
		"--work-order", "WO-4712", "--area-clear", "'Mia stands there'", "--why", "'Start it'", "--json")
	var asked struct{ Request string }
	if err := json.Unmarshal([]byte(said), &asked); err != nil {
		o.t.Fatalf("request --json: %v in %s", err, said)
	}
	o.api("GET", "/requests/"+asked.Request, olaf, nil, &request)
	o.api("POST", "/requests/"+request.ID+"/answer", olaf, api.Answer{Document: request.Document, Says: "yes"}, &request)
	window := "/windows/" + request.Window
	o.api("GET", window, mia, nil, &w)
	if len(w.Gates) != 2 || w.Gates[0].Gate != "area-clear" || w.Gates[0].Says != "no" || w.Gates[1].Says != "yes" || w.Escort == nil || w.Escort.There {
		o.t.Errorf("before anybody has said anything: %+v, escort %+v", w.Gates, w.Escort)
	}
	o.api("POST", window+"/gate", mia, api.Step{Gate: "area-clear", Says: "yes"}, nil)
	o.api("POST", window+"/open", mia, api.Step{}, nil)
	o.api("POST", window+"/escort", mia, api.Step{Says: "took"}, nil)
	o.api("POST", window+"/escort", mia, api.Step{Says: "here"}, nil)
	w = api.Window{}
	o.api("GET", window, mia, nil, &w)
	if w.State != "open" || w.Gates[0].By != "mia" || !w.Escort.There || w.Escort.By != "mia" {
		o.t.Errorf("open, with an escort: %+v, %+v", w, w.Escort)
	}
	o.api("POST", window+"/end", mia, api.Step{}, nil)
}

// readsModbus reads the registers through ssh -L with a client of the field,
// writes one, and returns the session.
func (o *outsider) readsModbus() (session string) {
	o.t.Helper()
	free, err := brokertest.FreePort()
	if err != nil {
		o.t.Fatal(err)
	}
	port := strconv.Itoa(free)
	tunnel := exec.CommandContext(o.t.Context(), "ssh", "-F", o.says.Files.Config, "-N", "-o", "ExitOnForwardFailure=yes", "-L", port+":filler-plc:502", "broker")
	var errs bytes.Buffer
	tunnel.Stderr, tunnel.Env = &errs, o.env
	if err := tunnel.Start(); err != nil {
		o.t.Fatal(err)
	}
	defer func() {
		_ = tunnel.Process.Signal(syscall.SIGTERM) // not SIGINT: what a shell starts in the background ignores that
		_ = tunnel.Wait()
	}()
	mbpoll := func(args ...string) ([]byte, error) {
		return exec.CommandContext(o.t.Context(), "mbpoll", append([]string{"-m", "tcp", "-a", "1", "-p", port, "-1"}, args...)...).CombinedOutput()
	}
	poll := func(args ...string) string {
		var out []byte
		var err error
		if late := until("ssh's forward listens", func() (bool, error) { // ssh does not say when
			out, err = mbpoll(append([]string{"-t", "4", "-r", "12"}, args...)...)
			return err == nil, nil
		}); late != nil {
			o.t.Fatalf("mbpoll: %v: %v\n%s", late, err, out)
		}
		return string(out)
	}
	o.sees(poll("-c", "2", "127.0.0.1"), "[12]: \t800")
	poll("127.0.0.1", "801")
	if s := o.panel("GET", "/state"); s.Volume != 801 {
		o.t.Errorf("written by Modbus: %+v", s)
	}
	for _, no := range []struct { // the machine's own words, from the broker
		what string
		args []string
	}{
		{"Illegal data value", []string{"-t", "4", "-r", "12", "127.0.0.1", "1001"}}, // the sheet ends at 1000
		{"Illegal data address", []string{"-t", "0", "-r", "17", "127.0.0.1", "1"}},  // starting takes operate
	} {
		if out, err := mbpoll(no.args...); err == nil || !strings.Contains(string(out), no.what) {
			o.t.Errorf("mbpoll %v: %v\n%s", no.args, err, out)
		}
	}
	if s := o.panel("GET", "/state"); s.Volume != 801 || s.Running {
		o.t.Errorf("what was refused reached the machine: %+v", s)
	}
	poll("127.0.0.1", "800")
	o.watchesModbus(port)
	var in []api.Session
	o.api("GET", "/sessions", o.signIn("lena"), nil, &in)
	if len(in) != 1 {
		o.t.Fatalf("in are %+v", in)
	}
	return in[0].ID
}

// watchesModbus: who looks on sees the operation that was made a moment ago.
func (o *outsider) watchesModbus(port string) {
	o.t.Helper()
	client, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		o.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 11, 0, 1}); err != nil {
		o.t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 11)); err != nil {
		o.t.Fatal(err)
	}
	mia := o.signIn("mia")
	var in []api.Session
	o.api("GET", "/sessions", mia, nil, &in)
	if len(in) != 1 || len(in[0].Channels) == 0 {
		o.t.Fatalf("in are %+v", in)
	}
	channel := in[0].Channels[len(in[0].Channels)-1].Number
	req, err := http.NewRequestWithContext(o.t.Context(), "GET", fmt.Sprintf("%s/api/v1/sessions/%s/watch?channel=%d", o.says.Broker.HTTPS, in[0].ID, channel), nil)
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+mia)
	answer, err := o.web.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		var l api.WatchLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			o.t.Fatalf("%v: %s", err, lines.Text())
		}
		if l.Mark == "d" {
			o.sees(l.Text, "1: read holding registers holding 12 (Fill volume)")
			return
		}
	}
	o.t.Errorf("the watch ended without the operation: %v", lines.Err())
}

// dissects: Wireshark reads the recording of the session's forwards, the first
// of which read and the second of which wrote.
func (o *outsider) dissects(session string) {
	o.t.Helper()
	lena := o.signIn("lena")
	for channel, want := range []string{"Func:   3: Read Holding Registers", "Func:   6: Write Single Register"} {
		text := o.raw("GET", o.says.Broker.HTTPS+"/api/v1/recordings/"+session+"/export?form=pcapng&channel="+strconv.Itoa(channel), lena, nil)
		file := filepath.Join(o.t.TempDir(), "modbus.pcapng")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			o.t.Fatal(err)
		}
		o.tshark(file, want)
	}
	for channel, want := range map[int]string{1: "write single register,06,1,holding 12,Fill volume,,801 ml,1,set,let through,set,done,", 2: ",1001 ml,1,set,refused,register-limits,,", 3: "write single coil,05,1,coil 17,Start filler,,on,1,operate,refused,rights-beyond-window,,"} {
		text := o.raw("GET", o.says.Broker.HTTPS+"/api/v1/recordings/"+session+"/export?form=operations&channel="+strconv.Itoa(channel), lena, nil)
		o.sees(string(text), want)
	}
}

func (o *outsider) tshark(file, want string) {
	o.t.Helper()
	var port string
	for _, m := range o.says.Machines {
		if m.Asset == "filler-plc" && m.Port == "modbus" {
			_, port, _ = net.SplitHostPort(m.Address)
		}
	}
	out, err := exec.CommandContext(o.t.Context(), "tshark", "-n", "-r", file, "-o", "mbtcp.tcp.port:"+port).Output()
	if err != nil {
		o.t.Fatalf("tshark: %v", err)
	}
	for _, want := range []string{"Query: ", "Response: ", want} {
		o.sees(string(out), want)
	}
	if strings.Contains(string(out), "Malformed") {
		o.t.Errorf("tshark finds something malformed:\n%s", out)
	}
}
