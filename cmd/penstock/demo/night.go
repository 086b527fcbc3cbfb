package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

// askAsAnn is Ann, called at night: her own key, the real ssh, the real desk.
func (d *show) askAsAnn(ctx context.Context) (string, error) {
	out, err := d.run(ctx, step{who: "ann", line: d.askLine()})
	if err != nil {
		return "", err
	}
	if id := requestNumber.FindString(out.text); out.code == 0 && id != "" {
		return id, nil
	}
	return "", fmt.Errorf("ssh desk@broker request ended with exit code %d: %s", out.code, out.text)
}

// tellAside is a line for the demo's terminal from whoever runs beside it.
func (d *show) tellAside(text string) {
	if d.o.JSON || d.o.Walk {
		return
	}
	d.aside.Lock()
	defer d.aside.Unlock()
	d.screen.line("\n" + text)
}

// ErrNotRunning: no demo answers in this folder.
var ErrNotRunning = errors.New("no demo runs there")

// Fault stops the filler of the demo that runs in dir, and says on out what
// comes next. asJSON writes the panel's state instead.
func Fault(ctx context.Context, dir string, asJSON bool, out io.Writer) error {
	status, now, err := press(ctx, dir, "fault")
	if err != nil {
		return err
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(now); err != nil {
			return fmt.Errorf("write the panel's state: %w", err)
		}
	}
	switch {
	case status == http.StatusConflict && now.Alarm:
		return fmt.Errorf("the filler stands already, alarm F-417; once the fill volume is set right: penstock demo start --dir %s", dir)
	case status == http.StatusConflict:
		return fmt.Errorf("the filler stands already; first: penstock demo start --dir %s", dir)
	case now.Request == "":
		return fmt.Errorf("the filler stands, but there is no request: %s", now.Says)
	case asJSON:
		return nil
	}
	_, err = fmt.Fprintf(out, "The filler stands, alarm F-417. Ann has asked to come in: %[1]s.\nNext: penstock answer %[1]s yes --as olaf, then penstock open W-… --as mia; or both on the pages.\n", now.Request)
	return err
}

// StartLine starts the line at the panel of the demo that runs in dir.
func StartLine(ctx context.Context, dir string, out io.Writer) error {
	_, now, err := press(ctx, dir, "start")
	if err != nil {
		return err
	}
	if now.Alarm {
		return fmt.Errorf("alarm F-417 stands: the fill volume is %.0f ml, the recipe says %.0f; set it right first", now.Volume, recipeVolume)
	}
	_, err = fmt.Fprintln(out, now.Says)
	return err
}

// TurnKey turns the vendor key switch at the panel of the demo that runs in dir.
func TurnKey(ctx context.Context, dir string, out io.Writer) error {
	_, now, err := press(ctx, dir, "key")
	if err != nil {
		return err
	}
	says := "Key switch A3 is on."
	if now.KeyOff {
		says = "Key switch A3 is off: what needs it is paused, and does not open."
	}
	_, err = fmt.Fprintln(out, says)
	return err
}

// press is one of the panel's buttons.
func press(ctx context.Context, dir, button string) (int, panelState, error) {
	var now panelState
	abs, err := filepath.Abs(dir)
	if err != nil {
		return 0, now, fmt.Errorf("find the demo's folder: %w", err)
	}
	s, err := folder(abs).settings()
	if err != nil {
		return 0, now, err
	}
	port := s.Ports[panelPlace.key()]
	if port == 0 {
		return 0, now, fmt.Errorf("%w: no demo was set up in %s; run penstock demo --dir D, and say the same --dir here", ErrNotRunning, dir)
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(panelPlace.ip, strconv.Itoa(port))+"/"+button, nil)
	if err != nil {
		return 0, now, fmt.Errorf("ask the panel: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, now, fmt.Errorf("%w: start it with penstock demo --dir %s", ErrNotRunning, dir)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&now); err != nil {
		return 0, now, fmt.Errorf("%w: something else answers on port %d; start it with penstock demo --dir %s", ErrNotRunning, port, dir)
	}
	return answer.StatusCode, now, nil
}
