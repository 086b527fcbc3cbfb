package connect

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"
)

// Help is what the command does, for --help.
const Help = `Find your open window, get the certificate (your code is asked for), and open all
of its ports on this computer. It says how long is left and what the plant says
meanwhile, comes back by itself when the line drops, and ends with the window.

Who the broker is stands in known_hosts, on the line that begins with
@cert-authority (ssh desk@BROKER setup prints it); nobody else's word is taken.
Your key is the one that you enrolled: an agent's, or ~/.ssh/id_ed25519.

Exit codes: 0 the window ended, or Ctrl-C; 1 error; 2 usage; 3 the answer is no,
or the window was cut; 4 the broker cannot be reached.`

// Flags are the options as both commands take them.
func (o *Options) Flags(f *flag.FlagSet) {
	f.StringVar(&o.Broker, "broker", os.Getenv("PENSTOCK_BROKER"), "the broker, `HOST or HOST:PORT`; or PENSTOCK_BROKER in the environment")
	f.Func("i", "the private key that you enrolled, a `FILE` (again for another; default: agent, ~/.ssh/id_ed25519 …)", func(s string) error {
		o.Identities = append(o.Identities, s)
		return nil
	})
	f.Func("known-hosts", "where the broker's @cert-authority line stands, a `FILE` (default ~/.ssh/known_hosts)", func(s string) error {
		o.KnownHosts = append(o.KnownHosts, s)
		return nil
	})
	f.BoolVar(&o.Wait, "wait", false, "wait until a window of yours is opened")
	f.StringVar(&o.Socks, "socks", "", "serve SOCKS5 for tools that insist on the machine's own address, on a loopback `ADDRESS` such as 127.0.0.1:1080")
	f.BoolVar(&o.Device, "device-addresses", false, "listen on the machines' own addresses too, where this computer has them; else say what gives them to it")
	f.BoolVar(&o.JSON, "json", false, "a line of JSON for each event")
}

var windowID = regexp.MustCompile(`^W-[0-9]{1,12}$`)

// Take reads the words behind the flags.
func (o *Options) Take(args []string) error {
	for _, a := range args {
		if !windowID.MatchString(a) || len(o.Windows) == 16 {
			return stop(ExitUsage, "%q is no window: W-17, at most 16 of them, or none for all that are open", a)
		}
		o.Windows = append(o.Windows, a)
	}
	return nil
}

// Screen is the terminal that the command runs in. Questions go to the person
// even where the output goes to a file.
func Screen(out, err io.Writer) Terminal {
	f, ok := err.(*os.File)
	return Terminal{Out: out, Err: err, Ask: askPerson, Live: ok && term.IsTerminal(int(f.Fd()))}
}

// console is the screen and keyboard of the person, wherever the standard files lead.
func console(system string) (in, out *os.File, err error) {
	if system != "windows" {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		return tty, tty, err
	}
	if in, err = os.OpenFile("CONIN$", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0); err != nil {
		in.Close()
	}
	return in, out, err
}

// askPerson asks on the terminal, without echo for secrets. Ctrl-C ends the
// question too, and leaves the terminal as it was.
func askPerson(ctx context.Context, prompt string, echo bool) (string, error) {
	in, out := os.Stdin, os.Stderr
	if !term.IsTerminal(int(in.Fd())) {
		var err error
		if in, out, err = console(runtime.GOOS); err != nil {
			return "", stop(ExitUsage, "there is no terminal to ask on (%s); run this where a person can answer", strings.TrimSpace(prompt))
		}
	}
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	fmt.Fprint(out, prompt)
	type answer struct {
		text string
		err  error
	}
	given := make(chan answer, 1)
	go func() {
		if echo {
			text, err := bufio.NewReader(io.LimitReader(in, 4<<10)).ReadString('\n')
			given <- answer{strings.TrimRight(text, "\r\n"), err}
			return
		}
		b, err := term.ReadPassword(int(in.Fd()))
		given <- answer{string(b), err}
	}()
	select {
	case a := <-given:
		if !echo {
			fmt.Fprintln(out)
		}
		if errors.Is(a.err, io.EOF) && a.text != "" {
			a.err = nil
		}
		if errors.Is(a.err, io.EOF) { // Windows ends the read before it tells of Ctrl-C
			select {
			case <-ctx.Done():
				a.err = context.Cause(ctx)
			case <-time.After(time.Second):
			}
		}
		return a.text, a.err
	case <-ctx.Done():
		_ = term.Restore(int(in.Fd()), before) // the read stays behind: the process ends now
		fmt.Fprintln(out)
		return "", context.Cause(ctx)
	}
}
