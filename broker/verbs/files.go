package verbs

import (
	"penstock/approvals"
	"penstock/policy"
)

// fileStates are a file's states for who sent it, with what comes next.
var fileStates = map[approvals.FileState]string{
	approvals.FileHeld:       "held; type and scanner have not spoken yet",
	approvals.FileLooked:     "held; it waits for somebody of the plant to let it in",
	approvals.FileReleased:   "let in; it is delivered as soon as the machine takes it",
	approvals.FileDelivering: "on its way to the machine",
	approvals.FileDelivered:  "on the machine",
	approvals.FileRefused:    "refused; it never reaches the machine",
	approvals.FileExpired:    "gone: nobody let it in before its window was over, or in a day. Send it anew",
}

// takenStates are those of a file that is taken out.
var takenStates = map[approvals.FileState]string{
	approvals.FileHeld:       "fetched and held; type and scanner have not spoken yet",
	approvals.FileLooked:     "fetched and held; it waits for somebody of the plant to let it out",
	approvals.FileReleased:   "let out: get it again, and you have it",
	approvals.FileDelivering: "let out; it was not taken whole yet: get it again",
	approvals.FileDelivered:  "taken out",
	approvals.FileRefused:    "refused; it is not taken out",
	approvals.FileExpired:    "gone: its window was over, or nobody took it in a day. Get it again, and it is fetched anew",
}

// files lists what was sent in a window and waits, or has.
func (c *call) files() error {
	if len(c.args.words) != 1 || !isID(c.args.words[0], "W") {
		return usage("Which window? " + c.command("desk", "files W-1"))
	}
	all, err := c.Desk.Files(c.ctx, c.by, policy.WindowID(c.args.words[0]))
	if err != nil {
		return err
	}
	if c.args.json {
		c.json(all)
		return nil
	}
	if len(all) == 0 {
		c.printf("No file of %s waits, or has waited.\n", c.args.words[0])
	}
	for _, f := range all {
		way, says := "to", fileStates[f.State]
		if f.Out {
			way, says = "from", takenStates[f.State]
		}
		if f.State == approvals.FileRefused && f.Begun {
			says = "refused while it was on its way; it goes no further"
		}
		c.printf("%s  %s, %d bytes, %s %s as %s\n     %s%s\n     %s\n", f.ID, f.Path, f.Bytes, way, f.Asset, f.Account, says, because(f.Why), f.SHA256)
	}
	return nil
}
