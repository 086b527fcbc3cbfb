package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/receipt"
	"penstock/audit/verify"
	"penstock/broker/ca"
	"penstock/broker/seal"
	"penstock/policy"
)

// recovery takes back, after an incident, what whoever had the machine may have
// given themself.
type recovery struct {
	file    serverFile
	outside []string // files with checkpoints that were kept elsewhere
	blind   bool     // nobody has one
	says    string
	yes     bool
	out     io.Writer
	errs    io.Writer
}

func recoverCommand() *cobra.Command {
	r := &recovery{}
	var config string
	cmd := &cobra.Command{Use: "recover --config penstock.yaml", Short: "Take everything back after an incident: windows, certificates, authorities, people's keys",
		Long: `For after somebody else may have had this machine. Stop the broker first. Without --yes nothing is
changed, and you read what would be. It can be begun again at any point, and is done once it says so:
  1 reads the whole log and holds it to each --checkpoint that was kept elsewhere; if it does not fit, it stops.
    What somebody had to agree to, and is not proved to have, is listed
  2 cuts every window that is agreed or open, and withdraws every request that waits
  3 suspends people's keys: only what the bootstrap file has still counts. ssh keys and passkeys wait to be
    confirmed and vouched for again, and so do keys of the bootstrap file that were replaced since;
    passwords, code generators and linked accounts are gone
  4 removes the agents of zones, and the screens of the control room, and makes envelopes void that nobody is proved to have sealed
  5 makes the three authorities, the host key, the key of receipts and our own key for browsers anew: every certificate
    that was issued is worth nothing. What is sealed from now on, in keys/seal.key and keys/recordings.key, is sealed to
    new keys; the old ones stay beside them, because what is there is opened by them
  6 says what people do next: what vendors and targets must be given, whose keys to confirm, what to compare
What it did is in the log. It opens nothing. The log's own key stays, because checkpoints outside are by it: whoever
has copied it can sign another history, which every witness and copy outside contradicts. Where there is none, begin a
new log. Secrets of machines in the vault count as known: change them there.`,
		Example: `  penstock recover --config penstock.yaml --checkpoint siem.txt --says "Lena Lang, laptop of the night shift"
  penstock recover --config penstock.yaml --checkpoint siem.txt --says "Lena Lang, laptop of the night shift" --yes`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := readServerFile(config)
			if err != nil {
				return err
			}
			r.file, r.out, r.errs = f, cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context())
		}}
	f := cmd.Flags()
	f.StringVar(&config, "config", "penstock.yaml", "the server's file")
	f.StringArrayVar(&r.outside, "checkpoint", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	f.BoolVar(&r.blind, "without-checkpoint", false, "nobody has one: no witness, SIEM, mail, receipt or backup elsewhere")
	f.StringVar(&r.says, "says", "", "who you are and why, for the record")
	f.BoolVar(&r.yes, "yes", false, "do it; without, it only says what it would do")
	return cmd
}

func (r *recovery) say(format string, a ...any) { fmt.Fprintf(r.out, format+"\n", a...) }

func (r *recovery) run(ctx context.Context) error {
	if r.says = strings.TrimSpace(r.says); r.yes && (r.says == "" || len(r.says) > 200 || r.says != visible(r.says)) {
		return usage(`say who you are and why, in at most 200 characters: --says "Lena Lang, laptop of the night shift"`)
	}
	if r.yes && len(r.outside) == 0 && !r.blind {
		return exit{exitNo, errors.New("no checkpoint from outside was given, so a log that was made anew here would look whole. Bring one from the witness, the SIEM, a mail, a receipt or another machine's backup: --checkpoint FILE. If there is none anywhere: --without-checkpoint, and what the log says is then whoever's had the machine")}
	}
	keys := filepath.Join(r.file.Data, "keys")
	old, err := ca.Prints(keys)
	if err != nil {
		return err
	}
	found, err := r.look(ctx)
	if err != nil {
		return err
	}
	if found.began != nil { // whoever had the machine can have written that, too: it is no reason to leave anything out
		r.say("A recovery that began %s was not finished. This one does all of it again.", found.began.At.Format(time.RFC3339))
	}
	if !r.yes {
		r.say("Would cut %s, withdraw %s, and suspend the keys of up to %s.", count(uint64(found.windows), "window", "windows"), count(uint64(found.requests), "request", "requests"), count(uint64(found.people), "person", "people"))
		for _, name := range slices.Sorted(maps.Keys(old)) {
			r.say("Would make %s anew, now %s.", name, old[name])
		}
		r.say("Nothing was changed. Do it with --yes.")
		return nil
	}
	plant, err := readPlantFile(r.file.Plant)
	if err != nil {
		return err
	}
	r.file.NewKeys = true // a key that went, and whose successor was not made yet, is made here
	h, err := open(ctx, r.file, plant, slog.New(slog.NewTextHandler(r.errs, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return fmt.Errorf("open the broker's data (is it still running? stop it first): %w", err)
	}
	err = r.take(ctx, h, found, old, keys)
	if err == nil {
		err = r.next(ctx, h, keys)
	}
	return errors.Join(err, h.close())
}

// incident is what one reading of the log finds.
type incident struct {
	leaves, covered           audit.Index
	outside                   int
	windows, requests, people int
	began                     *audit.RecoveryBegan // that is not done
	unsealed                  map[string]string    // envelopes that nobody is proved to have sealed, and why
}

// look reads the log whole, and stops if it is not what a checkpoint outside covers.
func (r *recovery) look(ctx context.Context) (incident, error) {
	var found incident
	v, err := audit.LogVerifier(filepath.Join(r.file.Data, "keys"))
	if err != nil {
		return found, err
	}
	outside, err := readCheckpoints(r.outside, func(b []byte) (audit.Checkpoint, error) { return audit.ParseCheckpoint(b, v) })
	if err != nil {
		return found, err
	}
	for _, c := range outside {
		found.covered = max(found.covered, c.Size)
	}
	found.outside = len(outside)
	reader, err := openLogReader(r.file.Data)
	if err != nil {
		return found, err
	}
	open, waits, known := map[string]bool{}, map[string]bool{}, map[string]bool{}
	walk := evidence.NewWalk(verify.NewDocuments(r.file.Data))
	var damage, wrong []string
	for leaf, err := range reader.All(ctx, outside...) {
		if d, is := errors.AsType[*audit.Damage](err); is {
			damage = append(damage, d.Error())
			continue
		}
		if err != nil {
			return found, err
		}
		found.leaves++
		found.fold(leaf, open, waits, known)
		for _, f := range walk.Leaf(ctx, leaf) {
			wrong = append(wrong, fmt.Sprintf("leaf %d, %s of %s: %s", leaf.Index, leaf.Body.Type(), leaf.Subject, f))
		}
	}
	found.unsealed = walk.Unsealed()
	found.windows, found.requests, found.people = len(open), len(waits), len(known)
	return found, r.tell(found, damage, wrong)
}

// tell says what the reading found, and stops where the log is not whole: a recovery on top of it would bury it.
func (r *recovery) tell(found incident, damage, wrong []string) error {
	r.say("The log has %d leaves; %s from outside, the newest of %d leaves.", found.leaves, count(uint64(found.outside), "checkpoint", "checkpoints"), found.covered)
	if found.outside == 0 {
		r.say("No checkpoint from outside was given: a log that was made anew here would look whole. Bring one from the witness, the SIEM or a receipt: --checkpoint FILE.")
	}
	if len(damage) > 0 || found.covered > found.leaves {
		for _, d := range damage[:min(len(damage), 20)] {
			r.say("NOT WHOLE: %s", visible(d))
		}
		if found.covered > found.leaves {
			r.say("NOT WHOLE: a checkpoint outside covers %d leaves, and here are %d: what came after was taken out.", found.covered, found.leaves)
		}
		return exit{exitNo, errors.New("the log is not what was seen outside: keep this disk as evidence, and bring the plant back from a backup with penstock restore; nothing was changed")}
	}
	for _, f := range wrong[:min(len(wrong), 50)] {
		r.say("NOT PROVED: %s", visible(f))
	}
	if len(wrong) > 0 {
		r.say("The log has %s that nobody who had to agree to it is proved to have agreed to: whoever had the machine can have written it. penstock-verify %s says more.", count(uint64(len(wrong)), "thing", "things"), r.file.Data)
	}
	return nil
}

func (f *incident) fold(leaf audit.Leaf, open, waits, known map[string]bool) {
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		waits[b.Request] = true
	case audit.RequestRevised:
		waits[b.Request] = true
	case audit.RequestWithdrawn, audit.RequestUnanswered:
		delete(waits, leaf.Subject)
	case audit.AnswerGiven:
		if b.Says == "no" {
			delete(waits, b.Request)
		}
	case audit.WindowAgreed:
		delete(waits, b.Request)
		open[b.Window] = true
	case audit.WindowMoved:
		if slices.Contains([]string{"ended", "cut", "unused"}, b.To) {
			delete(open, b.Window)
		}
	case audit.PersonJoined:
		known[b.Person] = true
	case audit.KeyEnrolled:
		known[b.Person] = true
	case audit.PersonDisabled:
		delete(known, b.Person)
	case audit.RecoveryBegan:
		f.began = &b
	case audit.RecoveryDone:
		f.began = nil
	}
}

// take does it, step by step. Rows that were taken before are passed over; the
// keys are made anew each time.
func (r *recovery) take(ctx context.Context, h *plantHouse, found incident, old map[string]string, keys string) error {
	now := func() time.Time { return h.clock.clock.Wall().UTC().Truncate(time.Second) }
	write := func(body audit.Body) error {
		_, err := h.log.Append(ctx, audit.Event{Subject: "recovery", Actor: "penstock", Body: body})
		if err != nil {
			return fmt.Errorf("write what is done: %w", err)
		}
		return nil
	}
	if err := write(audit.RecoveryBegan{Says: r.says, Leaves: found.leaves, Outside: found.outside, Covered: found.covered, Keys: old, At: now()}); err != nil {
		return err
	}
	done, err := r.takeAccess(ctx, h, found.unsealed)
	if err != nil {
		return err
	}
	made, err := newAuthorities(keys, old)
	if err != nil {
		return err
	}
	if err := write(audit.AuthoritiesRotated{Old: old, New: made, At: now()}); err != nil {
		return err
	}
	done.At = now()
	if err := write(done); err != nil {
		return err
	}
	r.say("Cut %s, withdrew %s, suspended the keys of %s, removed %s and %s. Every certificate that was issued is void.", count(uint64(done.Windows), "window", "windows"), count(uint64(done.Requests), "request", "requests"),
		count(uint64(done.People), "person", "people"), count(uint64(done.Agents), "agent", "agents"), count(uint64(done.Kiosks), "kiosk", "kiosks"))
	return nil
}

// takeAccess takes back all by which somebody can come in or say yes; unsealed
// are the envelopes to make void, and why.
func (r *recovery) takeAccess(ctx context.Context, h *plantHouse, unsealed map[string]string) (did audit.RecoveryDone, err error) {
	if did.Windows, did.Requests, err = h.desk.Recover(ctx, r.progress("windows and requests")); err != nil {
		return did, err
	}
	if did.People, err = h.roster.Suspend(ctx, r.progress("people")); err != nil {
		return did, err
	}
	if did.Agents, err = h.roster.DropAgents(ctx); err != nil {
		return did, err
	}
	if did.Kiosks, err = h.desk.RevokeKiosks(ctx); err != nil {
		return did, err
	}
	for _, id := range slices.Sorted(maps.Keys(unsealed)) {
		voided, err := h.roster.VoidEnvelope(ctx, policy.PersonID(id), unsealed[id])
		if err != nil {
			return did, err
		}
		if voided {
			did.Envelopes++
			r.say("Made %s void: %s.", people.Envelope{ID: policy.PersonID(id)}.Title(), visible(unsealed[id]))
		}
	}
	return did, nil
}

// progress says how far a long step is, every hundredth and at its end.
func (r *recovery) progress(what string) func(done, all int) {
	return func(done, all int) {
		if done == all || done%100 == 0 {
			fmt.Fprintf(r.errs, "%s: %d of %d\n", what, done, all)
		}
	}
}

// newAuthorities makes every key of the broker's own anew, but the log's; old gets
// those that are gone, and made are the fingerprints by file. Killed at any point, it
// is begun again.
func newAuthorities(keys string, old map[string]string) (made map[string]string, err error) {
	if err := durable.Sweep(keys); err != nil { // copies of keys that a crash left half written
		return nil, err
	}
	if err := ca.Rotate(keys); err != nil {
		return nil, err
	}
	if made, err = ca.Prints(keys); err != nil {
		return nil, err
	}
	if err := renew(keys, old, made); err != nil {
		return nil, err
	}
	for file := range made {
		old[file] = cmp.Or(old[file], "gone") // one that was taken away when the last recovery broke off
	}
	if err := os.Remove(filepath.Join(keys, "https.pem")); err != nil && !errors.Is(err, fs.ErrNotExist) { // the next start makes another
		return nil, fmt.Errorf("take the key for browsers away: %w", err)
	}
	return made, nil
}

// renew makes the key of receipts anew, and puts new keys before those by which
// secrets and recordings are opened.
func renew(keys string, old, made map[string]string) error {
	for _, file := range []string{"seal.key", "recordings.key"} {
		path := filepath.Join(keys, file)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) { // where recordings are sealed to the auditors there is none
			continue
		}
		was, fresh, err := seal.Renew(path)
		if err != nil {
			return err
		}
		old[file], made[file] = was, fresh
	}
	was, err := receipt.Open(keys) // its public half stays known, for the receipts that people have
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(keys, receipt.KeyFile)); err != nil {
		return fmt.Errorf("take the key of receipts away: %w", err)
	}
	fresh, err := receipt.Open(keys)
	if err != nil {
		return err
	}
	old[receipt.KeyFile], made[receipt.KeyFile] = was.Name(), fresh.Name()
	return nil
}

// next says what people do now, in the order in which they do it.
func (r *recovery) next(ctx context.Context, h *plantHouse, dir string) error {
	fresh, err := ca.Open(ca.Parts{Dir: dir, Journal: h.journal, Rows: h.store, Log: h.log})
	if err != nil {
		return err
	}
	line := func(k ssh.PublicKey) string { return string(trimLine(ssh.MarshalAuthorizedKey(k))) }
	a := h.authorities()
	a.Host, a.Out, a.HostKey = line(fresh.Host()), line(fresh.Out()), line(fresh.HostKey().PublicKey())
	r.say("\n1. Every vendor's known_hosts gets this line instead of the old one; tell it by phone, with its fingerprint %s:\n\n    %s", ssh.FingerprintSHA256(fresh.Host()), knownHostsLine(a))
	r.say("\n2. Every target's TrustedUserCAKeys gets this line instead of the old one, else nobody reaches it:\n\n    %s", a.Out)
	r.say("\n3. Start the broker. People of the bootstrap file set password and code generator anew: ssh -t desk@… password, ssh -t desk@… totp.")
	all, err := h.roster.People(ctx)
	if err != nil {
		return err
	}
	r.pending(all)
	r.say("\n5. Compare the pinned host keys on each machine, by ssh-keygen -lf on its own console; a wrong one is changed in the plant file, by its owners:")
	for _, asset := range h.plant().Assets {
		for _, port := range asset.Ports {
			for _, key := range port.HostKeys {
				r.say("    %-20s %-8s %s", asset.Name, port.Name, printOfLine(key))
			}
		}
	}
	if err := r.compare(ctx, h, all); err != nil {
		return err
	}
	r.say("\n7. Invite the agent of each zone anew (penstock agent invite), enrol the screens of the control room (page Kiosks), and link accounts of the sign-in service (people link). Browsers are shown a new certificate; where https: names your own, have another one issued.")
	r.say("\n8. Change the secrets of machines that are in the vault: count them as known (penstock target list).")
	envelopes, err := h.roster.Envelopes(ctx)
	if err != nil {
		return err
	}
	for _, e := range envelopes {
		r.say("9. Seal %s anew, if anybody could have read its paper: penstock envelope make %s.", e.Title(), e.ID)
	}
	return nil
}

// pending lists the keys that wait, and says where nobody is left to confirm them.
func (r *recovery) pending(all []people.Person) {
	r.say("\n4. Compare each fingerprint by phone or face to face; then somebody else confirms it (people confirm PERSON KEY), and vouches for it where it signs answers (people vouch):")
	counts := 0
	for _, p := range all {
		for _, k := range p.Keys {
			if !p.Disabled && k.Signs() {
				counts++
			}
			if p.Disabled || !k.Pending {
				continue
			}
			note := ""
			if k.Kind == people.SSH && k.By == people.Unsaid {
				note = "  (of the bootstrap file, or without anybody's invitation: whoever holds it now)"
			}
			r.say("    %-20s %-8s %s%s", p.ID, k.Kind, k.ID, note)
		}
	}
	if counts == 0 {
		r.say("    NOBODY IS LEFT whose key of the bootstrap file counts, so nobody can confirm one of these: the log says that each was replaced. Keep this folder as evidence, and begin a new log in an empty one (penstock serve, with a bootstrap file).")
	}
}

// compare lists what is the server's word alone, and was left as the log has it.
func (r *recovery) compare(ctx context.Context, h *plantHouse, all []people.Person) error {
	r.say("\n6. Compare what nobody signs: who holds which role, and whence firms may come. Change what is wrong on the page People; look over blocks that were lifted, rosters and trainings there, too:")
	for _, p := range all {
		if !p.Disabled && len(p.Roles) > 0 {
			r.say("    %-20s %-12s %s", p.ID, p.Firm, fmt.Sprint(p.Roles))
		}
	}
	firms, err := h.roster.Firms(ctx)
	if err != nil {
		return err
	}
	for _, f := range firms {
		if !f.Plant {
			r.say("    %-20s from %v", f.ID, f.Networks)
		}
	}
	return nil
}

func printOfLine(line string) string {
	k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return "cannot be read"
	}
	return ssh.FingerprintSHA256(k)
}
