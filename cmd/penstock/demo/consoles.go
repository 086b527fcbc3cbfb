package demo

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
)

// Exit codes of the devices' commands.
const (
	commandDone, commandRefused, commandUnknown = 0, 1, 2
)

// fillerConsole is the filler controller's command line.
type fillerConsole struct {
	s    *session
	line *line
	root *os.Root
}

func (fillerConsole) greeting() string {
	return "Krall FX5  FIL-1-PLC-01  Filler controller, Fjord Dairy Kiel.  help shows the commands."
}
func (fillerConsole) prompt() string { return "filler> " }

const fillerHelp = `show flow | alarms | values | counters | program | log
set fill-volume ML | cap-torque NM | line-speed PER-MINUTE
watch       flow once a second, until a key is pressed
start       stop
exit        Files by sftp: log, recipes, program.`

func (c fillerConsole) run(words []string) int {
	switch words[0] {
	case "show":
		return c.show(strings.Join(words[1:], " "))
	case "set":
		return c.set(words[1:])
	case "watch":
		c.s.each(func() error {
			_, err := fmt.Fprintln(c.s.out, flowLine(c.line.now()))
			return err
		})
		return commandDone
	case "start", "stop":
		return c.operate(words[0])
	case "help", "?":
		c.s.printf(fillerHelp)
		return commandDone
	}
	c.s.printf("no command %.40q; help shows them", words[0])
	return commandUnknown
}

func flowLine(v values) string {
	return fmt.Sprintf("flow %.0f ml/s  sp %.0f  dev %+.1f %%  bottles %.0f", v.Flow, recipeVolume, v.deviation(), math.Floor(v.Bottles))
}

func alarmLine(v values) string {
	if v.Alarm {
		return fmt.Sprintf("F-417  active  fill volume drifts, %.0f ml instead of %.0f; line stopped", v.Volume, recipeVolume)
	}
	return "no alarm"
}

func (c fillerConsole) show(what string) int {
	v := c.line.now()
	switch what {
	case "flow":
		c.s.printf("%s", flowLine(v))
	case "alarms", "alarm":
		c.s.printf("%s", alarmLine(v))
	case "values":
		c.s.printf("fill-volume  %4.0f ml      0 to 1000, recipe %.0f", v.Volume, recipeVolume)
		c.s.printf("cap-torque   %4.2f Nm      0.5 to 2.5", v.Torque)
		c.s.printf("line-speed   %4.0f 1/min   0 to 240", v.Speed)
	case "counters":
		c.s.printf("bottles  %.0f", math.Floor(v.Bottles))
		c.s.printf("batch    %.0f   since it was read last", math.Floor(v.Batch))
	case "program":
		return showFile(c.s, c.root, "program/fil1.prg", 40)
	case "log":
		return showFile(c.s, c.root, "log/fil1.log", 12)
	default:
		c.s.printf("show flow | alarms | values | counters | program | log")
		return commandUnknown
	}
	return commandDone
}

func (c fillerConsole) set(words []string) int {
	if len(words) != 2 {
		c.s.printf("set NAME VALUE, such as: set fill-volume 800")
		return commandUnknown
	}
	if !c.s.may.sets || words[0] == "line-speed" && !c.s.may.operates {
		return c.s.refused("set " + words[0])
	}
	to, err := strconv.ParseFloat(words[1], 64)
	if err != nil {
		c.s.printf("%.40q is no number", words[1])
		return commandUnknown
	}
	if err := c.line.set(words[0], to, c.s.by); err != nil {
		c.s.printf("%v", err)
		return commandRefused
	}
	c.s.printf("%s is %g", words[0], to)
	c.s.printf("%s", alarmLine(c.line.now()))
	return commandDone
}

func (c fillerConsole) operate(word string) int {
	if !c.s.may.operates {
		return c.s.refused(word)
	}
	if word == "stop" {
		c.line.stop(c.s.by)
	} else if err := c.line.start(c.s.by); err != nil {
		c.s.printf("%v", err)
		return commandRefused
	}
	c.s.printf("line-1: %s done", word)
	return commandDone
}

func (s *session) refused(what string) int {
	s.printf("account %s may not %s on this machine", s.ssh.User(), what)
	return commandRefused
}

// stationConsole is the engineering station's: projects that can be looked at,
// taken out and brought in.
type stationConsole struct {
	s    *session
	line *line
	root *os.Root
}

func (stationConsole) greeting() string {
	return "KrallStudio 9 station  FIL-1-EWS-01, Fjord Dairy Kiel.  help shows the commands."
}
func (stationConsole) prompt() string { return "ews> " }

func (c stationConsole) run(words []string) int {
	switch strings.Join(words, " ") {
	case "projects":
		return c.projects()
	case "compare":
		v := c.line.now()
		c.s.printf("online   FIL-1-PLC-01  fill-volume %.0f  cap-torque %.2f", v.Volume, v.Torque)
		c.s.printf("project  filler-1      fill-volume %.0f  cap-torque 1.90", recipeVolume)
		if v.Volume != recipeVolume || v.Torque != 1.9 {
			c.s.printf("they differ")
		}
		return commandDone
	case "help", "?":
		c.s.printf("projects    what lies in projects/; take out and bring in by sftp\ncompare     the project beside the controller\nexit")
		return commandDone
	}
	if words[0] == "show" && len(words) == 2 {
		return showFile(c.s, c.root, "projects/"+words[1], 40)
	}
	c.s.printf("no such command; help shows them")
	return commandUnknown
}

func (c stationConsole) projects() int {
	all, err := fs.ReadDir(c.root.FS(), "projects")
	if err != nil {
		c.s.printf("projects cannot be read")
		return commandRefused
	}
	for _, e := range all[:min(len(all), 100)] {
		if info, err := e.Info(); err == nil {
			c.s.printf("%-24q %8d bytes", e.Name(), info.Size())
		}
	}
	return commandDone
}

// showFile prints the last lines of a file, made fit for a terminal.
func showFile(s *session, root *os.Root, name string, lines int) int {
	text, err := root.ReadFile(name)
	if err != nil {
		s.printf("there is no %.60q", name)
		return commandRefused
	}
	all := strings.Split(strings.TrimRight(string(text[max(0, len(text)-64<<10):]), "\n"), "\n")
	for _, l := range all[max(0, len(all)-lines):] {
		s.printf("%s", strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return '.'
			}
			return r
		}, l))
	}
	return commandDone
}
