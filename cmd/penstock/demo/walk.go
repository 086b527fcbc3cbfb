package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// numbers are what the broker called things in this walk.
type numbers struct {
	request, window, session string
	modbus                   struct{ request, window string } // of the second request
}

var (
	requestNumber = regexp.MustCompile(`\bR-\d+\b`)
	windowNumber  = regexp.MustCompile(`\bW-\d+\b`)
	sessionNumber = regexp.MustCompile(`\bS-\d+\b`)
)

// walk plays the whole thread: it fails if a step did not do what is expected.
func (d *show) walk(ctx context.Context) error {
	// Every walk begins on a line that runs, wherever an earlier one has left it.
	if err := errors.Join(d.plant.line.set("fill-volume", recipeVolume, "demo"), d.plant.line.start("demo")); err != nil {
		return fmt.Errorf("start the line: %w", err)
	}
	d.opening(ctx)
	var n numbers
	for _, part := range []struct {
		title string
		play  func(context.Context, *numbers) error
	}{
		{"The people", d.walkPeople},
		{"Ask", d.walkAsk},
		{"Agree", d.walkAgree},
		{"Work", d.walkWork},
		{"Another protocol, the same gate", d.walkModbus},
		{"Stop", d.walkStop},
		{"Give back, and look at what was done", d.walkAfter},
		{"Prove it, without the broker", d.walkProof},
	} {
		d.screen.title(part.title)
		if err := part.play(ctx, &n); err != nil {
			return err
		}
	}
	d.screen.say("That was the whole thread. Nothing of it runs any more; what it left is in " + d.o.Dir + ".")
	d.screen.say("To play the people yourself:  " + d.command() + " demo --dir " + d.o.Dir)
	return nil
}

func (d *show) opening(ctx context.Context) {
	d.screen.title("Penstock, on this machine only")
	d.screen.say("A vendor's engineer has to reach a filler's controller. Nobody gets in without a window " +
		"that the plant's own people agreed; what passes is recorded before it counts.")
	d.screen.line("")
	d.screen.line("  broker    " + brokerName + ", at " + d.o.SSH)
	d.screen.line("  plant     Fjord Dairy Kiel: filling line 1, and the machines at it")
	for _, c := range cast {
		d.screen.line(fmt.Sprintf("  %-8s  %s, %s", c.Name, c.Full, c.Does))
	}
	d.screen.say("Each line after a $ is typed as it stands, by the real ssh and penstock, in " + d.o.Dir + ". Passwords and codes are shown as " + hidden + ".")
	if d.screen.keys != nil {
		d.screen.say("Any key goes on at once; Ctrl-C ends.")
		d.screen.pause(ctx, 400)
	}
}

func (d *show) walkPeople(ctx context.Context, _ *numbers) error {
	if d.players["ann"].done == enrolled {
		d.screen.say("They are known from an earlier run in this folder: same people, same log.")
		return nil
	}
	d.screen.say("The plant's four are named in a file whose hash is the first leaf of the log. Each sets a code " +
		"generator and a password, over their own key: whoever is root on the broker is still nobody.")
	if err := d.enrolSelf(ctx, "jan"); err != nil {
		return err
	}
	d.screen.say("Olaf, Lena and Mia do the same.")
	d.quiet = true
	for _, name := range []string{"olaf", "lena", "mia"} {
		if err := d.enrolSelf(ctx, name); err != nil {
			return err
		}
	}
	d.quiet = false
	if err := d.bringAnn(ctx); err != nil {
		return err
	}
	d.screen.say("Now the key is hers. She sets her code generator and password too.")
	d.quiet = true
	err := d.enrolSelf(ctx, "ann")
	d.quiet = false
	return err
}

func (d *show) walkAsk(ctx context.Context, n *numbers) error {
	if _, err := d.does(ctx, step{who: "ann", code: 3, want: regexp.MustCompile(`(?i)safety`),
		say:  "What the plant never allows is refused in the first second, before anybody is woken.",
		line: asks("ann") + "desk@broker request \\\n    --target maint@safety-plc --rights look --minutes 30 \\\n    --why " + shell("Have a look")}); err != nil {
		return err
	}
	out, err := d.does(ctx, step{who: "mia", want: requestNumber, line: "penstock demo fault",
		say: "Three in the morning. The filler drifts and trips, alarm F-417, line 1 stands. (The panel's button does the same.) Ann is called, and asks to look, copy and set values for an hour. She typed:"})
	if err != nil {
		return err
	}
	n.request = requestNumber.FindString(out.text)
	d.screen.prompt("ann", d.askLine())
	if err := d.askModbus(ctx, n); err != nil {
		return err
	}
	_, err = d.does(ctx, step{who: "ann", code: 3, line: d.certLine(),
		say: "Asked is not agreed: there is no certificate yet, and so no way in."})
	return err
}

func (d *show) walkAgree(ctx context.Context, n *numbers) error {
	out, err := d.does(ctx, step{who: "olaf", line: "penstock answer " + n.request + " yes --minutes 30 --as olaf", want: windowNumber,
		say: "Setting values on line 1 needs its owner's yes. Olaf says yes to exactly this text, but to half an hour. The window is what was agreed, and no more."})
	if err != nil {
		return err
	}
	n.window = windowNumber.FindString(out.text)
	if out, err = d.does(ctx, step{who: "olaf", line: "penstock answer " + n.modbus.request + " yes --as olaf", want: windowNumber}); err != nil {
		return err
	}
	n.modbus.window = windowNumber.FindString(out.text)
	for _, s := range []step{
		{who: "mia", line: "penstock open " + n.window + " --as mia", want: regexp.MustCompile(`open, ends`),
			say: "Agreed is not open. Mia stands at the line; when it suits the shift she opens, and the clock starts."},
		{who: "mia", line: "penstock open " + n.modbus.window + " --as mia", want: regexp.MustCompile(`open, ends`)},
	} {
		if _, err := d.does(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *show) walkWork(ctx context.Context, n *numbers) error {
	if _, err := d.does(ctx, step{who: "ann", line: d.certLine(), want: regexp.MustCompile(`certificate for ` + n.window + `\b`),
		say: "Now there is a certificate, for her open windows and this key. It works nowhere but at the broker."}); err != nil {
		return err
	}
	for _, s := range []step{
		{who: "ann", line: d.machineLine("show alarms"), want: regexp.MustCompile(`F-417`),
			say: "Stock ssh: the controller's name is all she types. The broker dials the machine with a certificate of its own; Ann never holds one that the machine would take."},
		{who: "ann", line: "scp -q -F ssh_config filler-plc." + siteName + ":log/fil1.log people/ann/", say: "She may copy, so she takes the controller's log out. What passed is hashed, and in the log."},
		{who: "lena", line: "penstock log tail data -n 12 | grep file.transferred", want: regexp.MustCompile(`"direction":"out"`)},
		{who: "ann", line: "scp -q -F ssh_config people/ann/fil1.log filler-plc." + siteName + ":program/fil1.prg", code: 1, want: regexp.MustCompile(`load`),
			say: "To bring a file in is load, and nobody agreed to that."},
	} {
		if _, err := d.does(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// walkStop has a live session, which the shift pauses, lets go on, and cuts.
func (d *show) walkStop(ctx context.Context, n *numbers) error {
	live, flows := make(chan struct{}), make(chan struct{})
	var once, again sync.Once
	work := step{who: "ann", line: "ssh -t " + strings.TrimPrefix(d.machineLine(""), "ssh "), code: 255, want: regexp.MustCompile(`cut`),
		say:   "Ann works at a prompt: she sets the fill volume and watches the flow. Her terminal is shown when it ends.",
		types: []Turn{{"filler> ", "set fill-volume 800\r"}, {"filler> ", "show alarms\r"}, {"filler> ", "watch\r"}},
		shows: func(all string) {
			if strings.Count(all, "ml/s") > 1 {
				once.Do(func() { close(live) })
			}
			if lineFlows.MatchString(all) {
				again.Do(func() { close(flows) })
			}
		}}
	d.tell(work)
	type ended struct {
		out outcome
		err error
	}
	end := make(chan ended, 1)
	session, hangUp := context.WithCancel(ctx)
	defer hangUp()
	go func() {
		out, err := d.run(session, work)
		end <- ended{out, err}
	}()
	select {
	case <-live:
	case e := <-end:
		return errors.Join(e.err, d.judge(ctx, work, e.out), errors.New("Ann's session ended before it should"))
	case <-ctx.Done():
		<-end
		return ctx.Err()
	}
	err := d.holdAndCut(ctx, n, flows)
	if err != nil {
		hangUp()
	}
	e := <-end
	if err := errors.Join(err, e.err); err != nil {
		return err
	}
	d.screen.say("This is what Ann's terminal showed:")
	d.screen.line("")
	if err := d.judge(ctx, work, e.out); err != nil {
		return err
	}
	_, err = d.does(ctx, step{who: "ann", line: d.machineLine("show values"), code: 255, want: regexp.MustCompile(n.window + `\b`),
		say: "Her certificate is good for minutes yet, and opens nothing: every connection asks again."})
	return err
}

var lineFlows = regexp.MustCompile(`flow [1-9]`)

// holdAndCut is Mia while Ann is in; flows is closed when Ann has seen the line run.
func (d *show) holdAndCut(ctx context.Context, n *numbers, flows <-chan struct{}) error {
	for _, s := range []step{
		{who: "mia", line: "penstock sessions --as mia", want: sessionNumber, say: "Mia sees who is in. To look, and to stop somebody, takes no code: only giving does."},
		{who: "mia", line: "penstock pause " + n.window + " --why \"Guard door 3 is open\" --as mia", want: regexp.MustCompile(`paused`),
			say: "The guard door opens. Mia pauses: what Ann types does not pass, what the machine says still does."},
		{who: "mia", line: "penstock go-on " + n.window + " --as mia", want: regexp.MustCompile(`open, ends`), say: "The door is shut. To let Ann go on is to give, so it takes a code."},
	} {
		if _, err := d.does(ctx, s); err != nil {
			return err
		}
	}
	d.screen.say("The fill volume is right, alarm F-417 is gone. Mia starts the line at its panel, and Ann sees it run.")
	if err := d.plant.line.start("panel"); err != nil {
		return fmt.Errorf("start the line: %w", err)
	}
	select {
	case <-flows:
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Second):
		return errors.New("Ann never saw the line run")
	}
	_, err := d.does(ctx, step{who: "mia", line: "penstock cut " + n.window + " --why \"Line 1 runs\" --as mia", want: regexp.MustCompile(`cut`), say: "And the red one. A cut waits for no disk and no network."})
	return err
}

func (d *show) walkAfter(ctx context.Context, n *numbers) error {
	steps := []step{
		{who: "ann", line: d.handbackLine(n.window),
			say: "Ann says what she changed."},
		{who: "olaf", line: "penstock accept " + n.window + " --as olaf", want: regexp.MustCompile(`closed`), say: "Olaf takes it; the window is closed."},
		{who: "mia", line: "penstock recording list --as mia", code: 3, say: "Not everybody may read what was recorded."},
	}
	for _, s := range steps {
		if _, err := d.does(ctx, s); err != nil {
			return err
		}
	}
	out, err := d.does(ctx, step{who: "lena", line: "penstock recording list --as lena", want: sessionNumber, say: "OT security may. That Lena read it is an event, written before the first byte is shown."})
	if err != nil {
		return err
	}
	n.session = newest(out.text, n.window)
	_, err = d.does(ctx, step{who: "lena", line: "penstock recording export " + n.session + " --form text --as lena", want: regexp.MustCompile(`fill-volume is 800`)})
	return err
}

// newest is the last session of a window in a list.
func newest(list, window string) string {
	var last string
	for line := range strings.Lines(list) {
		if id := sessionNumber.FindString(line); id != "" && windowNumber.FindString(line) == window {
			last = id
		}
	}
	return last
}

// walkProof needs the folder and nothing else; then it changes one byte of a copy.
func (d *show) walkProof(ctx context.Context, n *numbers) error {
	d.screen.say("The broker is stopped. From here on another program looks, with no network and no broker to believe.")
	if err := d.broker.stop(); err != nil {
		return err
	}
	if _, err := d.does(ctx, step{who: "lena", line: "penstock-verify data", want: regexp.MustCompile(`roved`)}); err != nil {
		return err
	}
	if err := os.RemoveAll(d.folder.at("changed")); err != nil {
		return fmt.Errorf("take away an earlier copy: %w", err)
	}
	defer os.RemoveAll(d.folder.at("changed")) // it holds keys
	if _, err := d.does(ctx, step{who: "lena", line: "cp -R data changed",
		say: "Is that worth anything? Somebody with all rights on a copy changes one single byte of the recording."}); err != nil {
		return err
	}
	line, err := flipLine(d.folder.at("changed"), n.session)
	if err != nil {
		return err
	}
	if _, err := d.does(ctx, step{who: "lena", line: line}); err != nil {
		return err
	}
	_, err = d.does(ctx, step{who: "lena", line: "penstock-verify changed", code: 3, most: 4, want: regexp.MustCompile(n.session + `\b`),
		say: "It is found, and named."})
	return err
}

// flipLine is a command that changes the middle byte of a session's largest channel.
func flipLine(dir, session string) (string, error) {
	var path string
	var size int64
	err := filepath.WalkDir(filepath.Join(dir, "recordings"), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(p) != ".brf" || filepath.Base(filepath.Dir(p)) != session {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Size() > size {
			path, size = p, info.Size()
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("look for the recording's file: %w", err)
	}
	if size == 0 {
		return "", fmt.Errorf("the recording of %s has no file with bytes in it", session)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the recording's file: %w", err)
	}
	rel, err := filepath.Rel(filepath.Dir(dir), path)
	if err != nil {
		return "", fmt.Errorf("name the recording's file: %w", err)
	}
	return fmt.Sprintf("printf '\\%03o' | \\\n    dd bs=1 seek=%d conv=notrunc status=none \\\n    of=%s", b[size/2]^1, size/2, rel), nil
}
