package demo

import (
	"fmt"
	"strings"
)

// askLine is Ann asking for the main job: values on the controller, by ssh and by Modbus.
func (d *show) askLine() string {
	return asks("ann") + "desk@broker request \\\n    --target recipes@filler-plc --rights look,copy,set --minutes 60 \\\n" +
		"    --work-order WO-4711 --why " + shell("Alarm F-417, fill volume drifts")
}

func (d *show) certLine() string {
	return asks("ann") + "cert@broker \\\n    > " + certificateFile
}

// machineLine is Ann at a command line of the controller, through the jump.
func (d *show) machineLine(command string) string {
	return strings.TrimSpace(asks("ann") + "filler-plc." + siteName + " " + command)
}

func (d *show) handbackLine(window string) string {
	return asks("ann") + "desk@broker handback " + window + " \\\n    " + shell("Fill volume 812 to 800 ml")
}

// steps are the next lines for a person at a second terminal, in order. The
// numbers are those of a new folder.
func (d *show) steps() []step {
	return []step{
		{say: "1  The filler stops, alarm F-417; Ann asks to come in. Also at the panel.", line: "penstock demo fault"},
		{say: "2  Olaf, the line's owner, agrees; Mia opens. Also on the pages.", line: "penstock answer R-1 yes --as olaf"},
		{line: "penstock open W-1 --as mia"},
		{say: "3  Ann: one certificate, one code; then plain ssh, and: set fill-volume 800", line: d.certLine()},
		{line: d.machineLine("")},
		{say: "4  The line can start again. Mia ends; Ann says what she changed.", line: "penstock demo start"},
		{line: "penstock end W-1 --as mia"},
		{line: d.handbackLine("W-1")},
		{say: "5  The proof, without the broker.", line: "penstock-verify data"},
	}
}

// printSummary is what somebody sees who has just started the demo: one screen.
func (d *show) printSummary() {
	s := d.screen
	s.title("Penstock: Fjord Dairy Kiel, on this computer only")
	s.line("")
	s.line(fmt.Sprintf("  panel   %-24s the filling line, and a button that stops it", "http://"+d.ground.address(panelPlace)))
	s.line(fmt.Sprintf("  pages   %-24s sign in as mia; the browser warns once:", "https://"+d.o.HTTPS))
	print := strings.TrimSuffix(d.broker.print, ":")
	if len(print) == 95 {
		s.line("          " + s.paint(dim, print[:48]))
		s.line("          " + s.paint(dim, print[48:]))
	}
	s.line("  broker  ssh at " + d.o.SSH)
	s.line("")
	for _, c := range cast {
		s.line(fmt.Sprintf("  %s %-10s %-24s %s", s.paint(cyan, fmt.Sprintf("%-5s", c.Name)), c.Full, d.players[c.Name].Password, c.Does))
	}
	s.line("  Passwords, keys and codes of these five lie in this folder in the clear.")
	s.title("In a second terminal")
	s.line("")
	s.line("  " + s.paint(bold, "cd "+d.o.Dir+" && . ./env"))
	s.line("  " + s.paint(bold, "penstock demo code mia") + "     " + s.paint(dim, "# whenever a code is asked for; or olaf, ann …"))
	for _, step := range d.steps() {
		if step.say != "" {
			s.line("  " + s.paint(dim, "# "+step.say))
		}
		for l := range strings.SplitSeq(step.line, "\n") {
			s.line("  " + s.paint(bold, l))
		}
	}
	s.line("")
	s.line("  Other numbers than R-1 and W-1 are shown? Use those. More lines: README.md.")
	s.line("  Played by itself:  " + d.command() + " demo --walk --dir " + d.o.Dir + "-walk")
	s.line("  The key switch A3 is on the panel:  " + s.paint(bold, "penstock demo key") + "  turns it,")
	s.line("  and whoever changes values is paused while it is off.")
	s.line("  Ctrl-C ends it; started again it goes on with the same people and log.")
}
