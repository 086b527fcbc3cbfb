package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// enrolAll brings everybody to where they can sign in, by the way that real
// people take. Who is there already stays as they are.
func (d *show) enrolAll(ctx context.Context) error {
	for _, name := range []string{"jan", "olaf", "lena", "mia"} {
		if err := d.enrolSelf(ctx, name); err != nil {
			return err
		}
	}
	if err := d.bringAnn(ctx); err != nil {
		return err
	}
	return d.enrolSelf(ctx, "ann")
}

// enrolSelf sets a code generator, then a password, over the person's own key.
func (d *show) enrolSelf(ctx context.Context, name string) error {
	p := d.players[name]
	for _, verb := range []struct {
		done stage
		name string
	}{{hasCode, "totp"}, {enrolled, "password"}} {
		if p.done >= verb.done {
			continue
		}
		if _, err := d.does(ctx, step{who: name, line: onTerminal(name) + "desk@" + brokerName + " " + verb.name}); err != nil {
			return err
		}
		if err := d.reached(p, verb.done); err != nil {
			return err
		}
	}
	return nil
}

func (d *show) reached(p *player, s stage) error {
	before := p.knows()
	p.done = s
	return d.folder.keep(p, before)
}

// bringAnn is how a vendor's engineer becomes known: invited, joined, confirmed.
func (d *show) bringAnn(ctx context.Context) error {
	ann := d.players["ann"]
	if ann.done < invited {
		out, err := d.does(ctx, step{who: "jan", line: "penstock people invite krall/ann --name \"Ann Keller\" --phone \"" + ann.who.Phone + "\" --as jan",
			say: "Jan is the sponsor of Krall Fillers. He invites Ann, and reads the code to her on the phone."})
		if err != nil {
			return err
		}
		m := ShowsCode.FindStringSubmatch(strings.ReplaceAll(out.raw, "\r", ""))
		if m == nil {
			return errors.New("the invitation showed no code")
		}
		ann.Invitation = m[1]
		if err := d.reached(ann, invited); err != nil {
			return err
		}
	}
	if ann.done < joined {
		if _, err := d.does(ctx, step{who: "ann", line: asks("ann") + "join@" + brokerName, want: regexp.MustCompile(`SHA256:`),
			say: "Ann brings her own key, with the ssh that she has. It counts for nothing yet."}); err != nil {
			return err
		}
		if err := d.reached(ann, joined); err != nil {
			return err
		}
	}
	if ann.done < confirmed {
		print, err := fingerprint(ctx, d.folder.at("people", "ann", ".ssh", "id_ed25519.pub"))
		if err != nil {
			return err
		}
		if _, err := d.does(ctx, step{who: "jan", line: "penstock people confirm ann \\\n    " + print + " --as jan",
			say: "Ann reads her key's fingerprint to Jan on the phone. Only his word makes the key hers."}); err != nil {
			return err
		}
		return d.reached(ann, confirmed)
	}
	return nil
}

// fingerprint is a key's, as its owner's own machine shows it.
func fingerprint(ctx context.Context, pub string) (string, error) {
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-lf", pub).Output()
	if err != nil {
		return "", fmt.Errorf("ask for the key's fingerprint: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) < 2 {
		return "", fmt.Errorf("ssh-keygen -lf %s shows no fingerprint", pub)
	}
	return words[1], nil
}
