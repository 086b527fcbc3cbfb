package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/audit"
	"penstock/broker/api"
)

func backupCommand() *cobra.Command {
	var c caller
	var to, recipient string
	cmd := &cobra.Command{Use: "backup --as PERSON -o FILE", Short: "Copy everything of a running broker into one file",
		Long: `Copy log, documents and recordings of a running broker into one file (tar, zstd), as
far as one signed checkpoint covers them: sessions that run are in it up to now. OT
security takes a backup, with a code, and the log says so first.

The broker's keys are in it only with --recipient age1…, sealed to that key (age-keygen
makes one; keep its other half away from this machine). Without them the copy proves
everything and serves nobody.`,
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usage("say where the backup goes: -o FILE")
			}
			if _, err := age.ParseX25519Recipient(recipient); err != nil && recipient != "" {
				return usage("%q is no age recipient: it looks like age1…, as age-keygen prints it", recipient)
			}
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			body, err := client.Backup(cmd.Context(), api.Backup{Recipient: recipient})
			if err != nil {
				return apiError(err)
			}
			defer body.Close()
			p := &progress{to: cmd.ErrOrStderr(), what: "backup"}
			if err := writeOut(cmd.OutOrStdout(), to, io.TeeReader(body, p)); err != nil {
				return fmt.Errorf("%w; take it again", err)
			}
			p.last()
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d MiB\n", to, (p.bytes+1<<20-1)>>20)
			if recipient == "" {
				fmt.Fprintln(cmd.OutOrStdout(), "It holds no keys: it proves everything, and nobody can serve from it. For that take one with --recipient age1….")
			}
			return nil
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&to, "output", "o", "", "file to write; it is replaced only by a whole backup")
	f.StringVar(&recipient, "recipient", "", "age key (age1…) that the broker's keys are sealed to")
	return cmd
}

func restoreCommand() *cobra.Command {
	r := &restorer{}
	cmd := &cobra.Command{Use: "restore FILE --data DIR", Short: "Put a backup into an empty data directory",
		Long: `Put a backup into an empty data directory: all of it, or nothing. The log is read whole
and held to its checkpoint, and to each --checkpoint that was kept elsewhere; what is
older than that is said. FILE may be - for standard input.`,
		Args: exactly(1, "the backup's file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.dir == "" {
				return usage("say where to: --data DIR, an empty directory")
			}
			from := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("read the backup: %w", err)
				}
				defer f.Close()
				from = f
			}
			p := &progress{to: cmd.ErrOrStderr(), what: "restore"}
			r.moved = p.add
			r.say = func(format string, a ...any) { fmt.Fprintf(cmd.OutOrStdout(), format+"\n", a...) }
			if err := r.run(cmd.Context(), from); err != nil {
				return err
			}
			p.last()
			return nil
		}}
	f := cmd.Flags()
	f.StringVar(&r.dir, "data", "", "data directory to make; it must be empty or not there")
	f.StringVar(&r.identity, "identity", "", "file with the age identity that opens the keys")
	f.StringArrayVar(&r.outside, "checkpoint", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	return cmd
}

// progress says once a second how much has passed; only to a terminal.
type progress struct {
	to    io.Writer
	what  string
	bytes int64
	shown time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	p.add(int64(len(b)))
	return len(b), nil
}

func (p *progress) add(n int64) {
	p.bytes += n
	if time.Since(p.shown) < time.Second {
		return
	}
	p.shown = time.Now()
	p.show("\r")
}

func (p *progress) last() { p.show("\n") }

func (p *progress) show(end string) {
	if f, ok := p.to.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(p.to, "%s: %d MiB %s", p.what, p.bytes>>20, end)
	}
}

// refuseUnfinished keeps a server off a directory where restore was interrupted.
func (d dataFolder) refuseUnfinished() error {
	path := filepath.Join(string(d), unfinished)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("look at the data directory: %w", err)
	}
	return fmt.Errorf("%s is there: penstock restore was interrupted here; empty the directory and restore again", path)
}

// sayRestored writes, once, that this log was brought back from a backup.
func (h *plantHouse) sayRestored(ctx context.Context) error {
	path := filepath.Join(string(h.folder), restoredFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what restore left: %w", err)
	}
	var body audit.BackupRestored
	if err := strictJSON(b, &body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := h.log.Append(ctx, audit.Event{Subject: "backup", Actor: "penstock", Body: body}); err != nil {
		return fmt.Errorf("write that the log was restored: %w", err)
	}
	h.clock.restored(body)
	h.slog.Warn("this log was brought back from a backup: what was written after that is lost, and nobody is let in until two people say penstock clock accept", "leaves", body.Size, "taken", body.Taken, "outside", body.Outside)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("take away what restore left: %w", err)
	}
	return nil
}
