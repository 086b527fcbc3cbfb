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
)

// numbers are what the broker called things in this walk.
type numbers struct{ request, window, session string }

var (
	requestNumber = regexp.MustCompile(`\bR-\d+\b`)
	windowNumber  = regexp.MustCompile(`\bW-\d+\b`)
	sessionNumber = regexp.MustCompile(`\bS-\d+\b`)
)

// walk plays the whole thread: it fails if a step did not do what is expected.
func (d *show) walk(ctx context.Context) error {
	// The machine drifts anew, also where an earlier walk has set it right.
	if err := os.RemoveAll(d.folder.at("filler-plc", "values")); err != nil {
		return fmt.Errorf("let the machine drift: %w", err)
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
	d.screen.line("  broker    " + brokerName + ", at " + d.listen)
	d.screen.line(fmt.Sprintf("  machine   filler-plc, a stock sshd at 127.0.0.1:%d, account %s (you)", d.given.MachinePort, d.given.Account))
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
		line: asks("ann") + "desk@" + brokerName + " request \\\n    --target maint@safety-plc --rights look --minutes 30 \\\n    --why " + shell("Have a look")}); err != nil {
		return err
	}
	out, err := d.does(ctx, step{who: "ann", want: requestNumber, line: d.askLine(),
		say: "The filler drifts: alarm F-417. Ann asks to look, copy and set values for an hour."})
	if err != nil {
		return err
	}
	n.request = requestNumber.FindString(out.text)
	_, err = d.does(ctx, step{who: "ann", code: 3, line: d.certLine(),
		say: "Asked is not agreed: there is no certificate yet, and so no way in."})
	return err
}

func (d *show) walkAgree(ctx context.Context, n *numbers) error {
	if _, err := d.does(ctx, step{who: "olaf", line: "penstock answer " + n.request + " yes --as olaf", want: regexp.MustCompile(`said yes`),
		say: "Setting values on line 1 needs two who agree: its owner and OT security. Olaf says yes to exactly this text."}); err != nil {
		return err
	}
	out, err := d.does(ctx, step{who: "lena", line: "penstock answer " + n.request + " yes --minutes 30 --as lena", want: windowNumber,
		say: "Lena says yes too, but to half an hour. The window is what all of them agreed, and no more."})
	if err != nil {
		return err
	}
	n.window = windowNumber.FindString(out.text)
	_, err = d.does(ctx, step{who: "mia", line: "penstock open " + n.window + " --as mia", want: regexp.MustCompile(`open, ends`),
		say: "Agreed is not open. Mia stands at the line; when it suits the shift she opens, and the clock starts."})
	return err
}

func (d *show) walkWork(ctx context.Context, n *numbers) error {
	if _, err := d.does(ctx, step{who: "ann", line: d.certLine(), want: regexp.MustCompile(`certificate for ` + n.window + `\b`),
		say: "Now there is a certificate, for this window and this key. It works nowhere but at the broker."}); err != nil {
		return err
	}
	_, err := d.does(ctx, step{who: "ann", line: d.machineLine(asks) + " filler alarms", want: regexp.MustCompile(`F-417`),
		say: "Stock ssh, one command. The broker dials the machine with a certificate of its own; Ann never holds one that the machine would take."})
	return err
}

// walkStop has a live session, which the shift pauses, lets go on, and cuts.
func (d *show) walkStop(ctx context.Context, n *numbers) error {
	live := make(chan struct{})
	var once sync.Once
	work := step{who: "ann", line: d.promptLine(), code: 255, want: regexp.MustCompile(`cut`),
		say:   "Ann works at a prompt: she sets the fill volume and watches the bottles. Her terminal is shown when it ends.",
		types: []Turn{{"FIL-1> ", "set fill-volume 500.0\r"}, {"FIL-1> ", "alarms\r"}, {"FIL-1> ", "trend\r"}},
		shows: func(all string) {
			if strings.Contains(all, "bottle 2 ") {
				once.Do(func() { close(live) })
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
	err := d.holdAndCut(ctx, n)
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
	_, err = d.does(ctx, step{who: "ann", line: d.machineLine(asks) + " filler values", code: 255, want: regexp.MustCompile(n.window + `\b`),
		say: "Her certificate is good for minutes yet, and opens nothing: every connection asks again."})
	return err
}

func (d *show) holdAndCut(ctx context.Context, n *numbers) error {
	for _, s := range []step{
		{who: "mia", line: "penstock sessions --as mia", want: sessionNumber, say: "Mia sees who is in. To look, and to stop somebody, takes no code: only giving does."},
		{who: "mia", line: "penstock pause " + n.window + " --why \"Guard door 3 is open\" --as mia", want: regexp.MustCompile(`paused`),
			say: "The guard door opens. Mia pauses: what Ann types does not pass, what the machine says still does."},
		{who: "mia", line: "penstock go-on " + n.window + " --as mia", want: regexp.MustCompile(`open, ends`), say: "The door is shut. To let Ann go on is to give, so it takes a code."},
		{who: "mia", line: "penstock cut " + n.window + " --why \"Shift change\" --as mia", want: regexp.MustCompile(`cut`), say: "And the red one. A cut waits for no disk and no network."},
	} {
		if _, err := d.does(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (d *show) walkAfter(ctx context.Context, n *numbers) error {
	steps := []step{
		{who: "ann", line: asks("ann") + "desk@" + brokerName + " handback " + n.window + " \\\n    " + shell("Fill volume set from 503.8 to 500.0 ml"),
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
	_, err = d.does(ctx, step{who: "lena", line: "penstock recording export " + n.session + " --form text --as lena", want: regexp.MustCompile(`fill-volume is 500\.0`)})
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
