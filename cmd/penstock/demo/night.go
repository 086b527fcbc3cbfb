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

// tell is a line for the demo's terminal from whoever runs beside it.
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
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the demo's folder: %w", err)
	}
	s, err := folder(abs).settings()
	if err != nil {
		return err
	}
	port := s.Ports[panelPlace.key()]
	if port == 0 {
		return fmt.Errorf("%w: no demo was set up in %s; run penstock demo --dir D, and say the same --dir here", ErrNotRunning, dir)
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(panelPlace.ip, strconv.Itoa(port))+"/fault", nil)
	if err != nil {
		return fmt.Errorf("ask the panel: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w: start it with penstock demo --dir %s", ErrNotRunning, dir)
	}
	defer answer.Body.Close()
	var now panelState
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&now); err != nil {
		return fmt.Errorf("%w: something else answers on port %d; start it with penstock demo --dir %s", ErrNotRunning, port, dir)
	}
	if asJSON {
		if err := json.NewEncoder(out).Encode(now); err != nil {
			return err
		}
	}
	if answer.StatusCode == http.StatusConflict {
		return fmt.Errorf("the filler stands already (%s); start the line at its panel first", now.Says)
	}
	if now.Request == "" {
		return fmt.Errorf("the filler stands, but there is no request: %s", now.Says)
	}
	if !asJSON {
		_, err = fmt.Fprintf(out, "The filler stands, alarm F-417. Ann has asked to come in: %[1]s.\nNext: penstock answer %[1]s yes --as olaf, then penstock open W-… --as mia; or both on the pages.\n", now.Request)
	}
	return err
}
