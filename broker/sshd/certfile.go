package sshd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"penstock/broker/verbs"
)

const mostCerts = 4 // certificates made in one channel

var windowName = regexp.MustCompile(`^(W-[0-9]{1,18}|latest)$`)

// certFiles are the files that cert@ shows to scp: one for each window's name,
// and "latest" for all open ones. Reading makes the certificate, once in a
// channel; there is nothing to write, list or change. What the person must
// know comes on stderr, which scp shows.
type certFiles struct {
	t   *desk
	who certifier
	ctx context.Context

	made map[string][]byte
	code int // of the last refusal
}

// get is the certificate under a name.
func (f *certFiles) get(name string) ([]byte, error) {
	if !windowName.MatchString(name) {
		return nil, fs.ErrNotExist
	}
	if b, ok := f.made[name]; ok {
		return b, nil
	}
	if len(f.made) >= mostCerts || f.code != 0 {
		return nil, fs.ErrPermission
	}
	line := name
	if name == "latest" {
		line = ""
	}
	by, err := f.t.d.still(f.t.c, f.who.actor, f.who.key) // the channel may be days old
	if err == nil {
		err = f.t.d.codeCounts(f.t.c, by)
	}
	if err != nil {
		f.code = f.t.refused(err)
		return nil, fs.ErrNotExist
	}
	var out bytes.Buffer
	f.code = f.t.d.Clerk.Cert(f.ctx, by, f.who.key, line, verbs.Terminal{Out: &out, Err: f.t.errs(), Width: 80,
		Ask: func(string, bool) (string, error) { return "", verbs.ErrNoTerminal }})
	if f.code == exitNo {
		f.t.d.refusedCert(f.who)
	}
	if f.code != 0 {
		return nil, fs.ErrNotExist
	}
	f.made[name] = out.Bytes()
	return f.made[name], nil
}

func (t *desk) certFiles(ctx context.Context, who certifier) *certFiles {
	return &certFiles{t: t, who: who, ctx: ctx, made: map[string][]byte{}}
}

// scpSource reads "scp -f NAME", what scp -O sends; ok is false for anything else.
func scpSource(line string) (name string, ok bool) {
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "scp" {
		return "", false
	}
	from := false
	for i, w := range words[1 : len(words)-1] {
		switch w {
		case "-f":
			from = true
		case "-v", "-p", "-q", "-r", "-d":
		case "--":
			if i != len(words)-3 {
				return "", false
			}
		default:
			return "", false
		}
	}
	return words[len(words)-1], from
}

// scp sends one file by the old protocol of rcp: a zero byte asks, a zero byte answers.
func (t *desk) scp(ctx context.Context, who certifier, name string) int {
	f := t.certFiles(ctx, who)
	back := bufio.NewReaderSize(t.ch, 64)
	yes := func() bool { b, err := back.ReadByte(); return err == nil && b == 0 }
	if !yes() {
		return 1
	}
	b, err := f.get(name)
	if err != nil {
		_, _ = io.WriteString(t.ch, "\x01scp: no certificate\n") // the reason is on stderr
		if f.code == 0 {
			_, _ = io.WriteString(t.ch.Stderr(), "Penstock: say which window: cert@"+t.d.Clerk.Name+":W-17, or cert@"+t.d.Clerk.Name+":latest\n")
			return 2
		}
		return f.code
	}
	if _, err := fmt.Fprintf(t.ch, "C0600 %d %s\n", len(b), name); err != nil || !yes() {
		return 1
	}
	if _, err := t.ch.Write(append(bytes.Clone(b), 0)); err != nil || !yes() {
		return 1
	}
	return 0
}
