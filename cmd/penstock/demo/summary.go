package demo

import (
	"fmt"
	"strings"
)

func (d *show) askLine() string {
	return asks("ann") + "desk@" + brokerName + " request \\\n    --target " + d.given.Account + "@filler-plc --rights look,copy,set --minutes 60 \\\n" +
		"    --work-order WO-4711 --why " + shell("Alarm F-417, fill volume drifts")
}

func (d *show) certLine() string {
	return asks("ann") + "cert@" + brokerName + " \\\n    > people/ann/.ssh/id_ed25519-cert.pub"
}

func (d *show) machineLine(ssh func(string) string) string {
	return ssh("ann") + "ann+" + d.given.Account + "+filler-plc@" + brokerName
}

// promptLine is Ann at the machine's prompt. A machine that gives no terminals
// has a prompt too, only without one.
func (d *show) promptLine() string {
	if d.terminals {
		return d.machineLine(onTerminal) + " filler"
	}
	return d.machineLine(asks) + " filler"
}

// steps are the next lines for a person at a second terminal, in order. The
// numbers are those of a new folder.
func (d *show) steps() []step {
	return []step{
		{say: "Ann asks.", line: d.askLine()},
		{say: "Olaf and Lena answer, Lena for half an hour only.", line: "penstock answer R-1 yes --as olaf"},
		{line: "penstock answer R-1 yes --minutes 30 --as lena"},
		{say: "Mia opens: the clock starts.", line: "penstock open W-1 --as mia"},
		{say: "Ann fetches a certificate, then works: alarms, set fill-volume 500, trend.", line: d.certLine()},
		{line: d.promptLine()},
		{say: "Mia, from a third terminal, while Ann is in.", line: "penstock sessions --as mia"},
		{line: "penstock pause W-1 --why \"Guard door 3 is open\" --as mia"},
		{line: "penstock go-on W-1 --as mia"},
		{line: "penstock cut W-1 --why \"Shift change\" --as mia"},
		{say: "Ann gives back, Olaf takes it.", line: asks("ann") + "desk@" + brokerName + " handback W-1 \\\n    " + shell("Fill volume set to 500.0 ml")},
		{line: "penstock accept W-1 --as olaf"},
		{say: "Lena reads the recording; that she did is in the log first. Then the proof.", line: "penstock recording export S-1 --form text --as lena"},
		{line: "penstock log tail data"},
		{line: "penstock-verify data"},
	}
}

// printSummary is what somebody sees who has just started the demo.
func (d *show) printSummary() {
	s := d.screen
	s.title("Penstock runs, on this machine only")
	s.say("Ann, a vendor's engineer, has to reach the filler's controller. She gets in only inside a window " +
		"that the plant's people agreed and opened, and all that passes is recorded. You play all five.")
	s.line("")
	s.line("  broker    " + brokerName + ", at " + d.listen)
	s.line(fmt.Sprintf("  machine   filler-plc, a stock sshd at 127.0.0.1:%d, account %s (you)", d.given.MachinePort, d.given.Account))
	s.line("  pages     https://" + d.given.pages() + ", for the plant's people. The browser warns:")
	s.line("            compare with https_fingerprint in penstock.log")
	s.line("  files     " + d.o.Dir + ": penstock.yaml, plant.yaml, penstock.log, data")
	s.line("")
	s.line("  " + s.paint(bold, fmt.Sprintf("%-6s %-12s %-25s %s", "who", "", "password", "role")))
	for _, c := range cast {
		s.line(fmt.Sprintf("  %s %-12s %-25s %s", s.paint(cyan, fmt.Sprintf("%-6s", c.Name)), c.Full, d.players[c.Name].Password, c.Does))
	}
	s.say("Passwords, keys and code secrets of these five lie in the clear in people/.")
	s.title("In a second terminal")
	s.line("")
	s.line("  " + s.paint(bold, "cd "+d.o.Dir+" && . ./env"))
	s.line("")
	s.line("  " + s.paint(dim, "# When somebody is asked for a code; each is good once."))
	s.line("  " + s.paint(bold, "penstock demo code olaf"))
	for _, step := range d.steps() {
		if step.say != "" {
			s.line("\n  " + s.paint(dim, "# "+step.say))
		}
		for l := range strings.SplitSeq(step.line, "\n") {
			s.line("  " + s.paint(bold, l))
		}
	}
	s.say("Where it prints other numbers than R-1, W-1 and S-1, use those.")
	s.line("Ctrl-C here ends it; started again it goes on with the same people and log.")
	s.line("To watch all of this played by itself:  " + d.command() + " demo --walk --dir " + d.o.Dir + "-walk")
}
