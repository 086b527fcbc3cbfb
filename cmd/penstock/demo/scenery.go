package demo

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// siteName is the example plant's id: what stands behind each machine's name.
const siteName = "kiel"

// sceneryFiles are what lies on the machines when they are new.
//
//go:embed scenery
var sceneryFiles embed.FS

// place is one listener of the demo's plant.
type place struct {
	asset, port string // as in the plant file; asset "" is the panel, and the key switch on it
	ip          string
	wants       int // taken if it is free
}

var (
	fillerSSH    = place{"filler-plc", "ssh", "127.20.1.11", 2022}
	fillerModbus = place{"filler-plc", "modbus", "127.20.1.11", 1502}
	capperModbus = place{"capper-drive", "modbus", "127.20.1.21", 1502}
	stationSSH   = place{"line-1-ews", "ssh", "127.10.0.20", 2022}
	keyPlace     = place{"", "key", "127.20.1.9", 1502}
	panelPlace   = place{"", "panel", "127.0.0.1", 8480}
	places       = []place{fillerSSH, fillerModbus, capperModbus, stationSSH, keyPlace, panelPlace}
)

func (p place) key() string { return p.asset + ":" + p.port }

// ground holds the ports of the plant from before the plant file names them
// until its machines serve them, so that nobody else takes one in between.
type ground map[place]net.Listener

// takeGround listens everywhere: where an earlier run did, else at the usual
// number, else wherever is free. The plant file follows.
func takeGround(ctx context.Context, earlier map[string]int) (ground, error) {
	g := ground{}
	for _, p := range places {
		var l net.Listener
		var err error
		for i, number := range []int{earlier[p.key()], p.wants, 0} {
			if number == 0 && i == 0 {
				continue // there was no earlier run
			}
			if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(p.ip, strconv.Itoa(number))); err == nil {
				break
			}
		}
		if err != nil {
			g.free()
			return nil, fmt.Errorf("listen for %s: %w", p.key(), err)
		}
		g[p] = l
	}
	return g, nil
}

func (g ground) free() {
	for _, l := range g {
		l.Close()
	}
}

func (g ground) number(p place) int     { return g[p].Addr().(*net.TCPAddr).Port }
func (g ground) address(p place) string { return g[p].Addr().String() }

// numbers are kept for the next run.
func (g ground) numbers() map[string]int {
	all := map[string]int{}
	for p := range g {
		all[p.key()] = g.number(p)
	}
	return all
}

// moved says for the plant file where the machines are.
func (g ground) moved(hostKeys map[string]string) map[string]moved {
	all := map[string]moved{}
	for p := range g {
		if p.asset == "" {
			continue
		}
		m, ok := all[p.asset]
		if !ok {
			m = moved{map[string]int{}, hostKeys[p.asset]}
		}
		m.numbers[p.port] = g.number(p)
		all[p.asset] = m
	}
	return all
}

// plant is the running plant: one line, and the machines that look at it.
type plant struct {
	line    *line
	devices []*device
	buses   []*modbusServer
	stopped chan struct{}
	clock   sync.WaitGroup
	save    func()
}

// startPlant brings the machines up on the ground that was taken.
func startPlant(f folder, g ground, authority string) (*plant, error) {
	p := &plant{stopped: make(chan struct{})}
	if err := f.putScenery(); err != nil {
		return nil, err
	}
	keep := f.at("filler-plc", "line.json")
	var v values
	if text, err := os.ReadFile(keep); err == nil {
		if json.Unmarshal(text, &v) != nil {
			v = values{} // a torn file: the line begins anew
		}
	}
	log := f.at("filler-plc", "files", "log", "fil1.log")
	p.line = newLine(v, func(v values, what string) {
		saveLine(keep, v)
		logLine(log, what)
	})
	p.save = func() { saveLine(keep, p.line.now()) }
	for _, d := range []struct {
		at    place
		build func(*os.Root) *device
	}{
		{fillerSSH, p.filler},
		{stationSSH, p.station},
	} {
		root, err := os.OpenRoot(f.at(d.at.asset, "files"))
		if err != nil {
			p.stop()
			return nil, fmt.Errorf("open the files of %s: %w", d.at.asset, err)
		}
		one := d.build(root)
		p.devices = append(p.devices, one)
		if err := one.start(g[d.at], f.at(d.at.asset, "host_key"), authority); err != nil {
			p.stop()
			return nil, err
		}
	}
	p.buses = []*modbusServer{startModbus(g[fillerModbus], 1, filler{p.line}), startModbus(g[capperModbus], 3, capper{p.line}), startModbus(g[keyPlace], 1, keySwitch{p.line})}
	p.clock.Go(p.tick)
	return p, nil
}

func (p *plant) filler(root *os.Root) *device {
	return &device{name: "filler-plc", root: root,
		accounts: map[string]account{
			"viewer":  {},
			"recipes": {copies: true, sets: true},
			"maint":   {copies: true, sets: true, operates: true, loads: true},
		},
		console: func(s *session) console { return fillerConsole{s, p.line, root} }}
}

func (p *plant) station(root *os.Root) *device {
	return &device{name: "line-1-ews", root: root, accounts: map[string]account{"service": {copies: true, loads: true}},
		console: func(s *session) console { return stationConsole{s, p.line, root} }}
}

// tick is the plant's time.
func (p *plant) tick() {
	const step = 200 * time.Millisecond
	t := time.NewTicker(step)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.line.advance(step)
		case <-p.stopped:
			return
		}
	}
}

func (p *plant) stop() {
	close(p.stopped)
	p.clock.Wait()
	for _, d := range p.devices {
		d.stop()
	}
	for _, b := range p.buses {
		b.stop()
	}
	p.save()
}

// saveLine keeps where the line stands for the next run; a demo can live with losing it.
func saveLine(path string, v values) {
	text, err := json.Marshal(v)
	if err == nil && os.WriteFile(path+".new", text, 0o600) == nil {
		_ = os.Rename(path+".new", path)
	}
}

const maxLineLog = 1 << 20

// logLine writes the controller's own log, which vendors may take out. It begins
// anew when it is full.
func logLine(path, what string) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > maxLineLog {
		flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return // the controller goes on without its log
	}
	defer file.Close()
	fmt.Fprintf(file, "%s  %s\n", time.Now().Format("2006-01-02 15:04:05"), what)
}

// putScenery copies what lies on the machines, unless it is there already.
func (f folder) putScenery() error {
	return fs.WalkDir(sceneryFiles, "scenery", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		asset, rest, _ := strings.Cut(strings.TrimPrefix(path, "scenery/"), "/")
		to := f.at(asset, "files", filepath.FromSlash(rest))
		if e.IsDir() {
			if path == "scenery" {
				return nil
			}
			return os.MkdirAll(to, 0o700)
		}
		if _, err := os.Stat(to); err == nil {
			return nil
		}
		text, err := sceneryFiles.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
}
