package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/witness"
)

func witnessCommand() *cobra.Command {
	c := &cobra.Command{Use: "witness", Short: "Watch brokers' logs from another machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(witnessServe(), witnessShow(), witnessForget())
	return c
}

// witnessing is what witness serve is told.
type witnessing struct {
	listen, dir, name, certificate, key string
	logs                                []string
}

func witnessServe() *cobra.Command {
	var w witnessing
	c := &cobra.Command{Use: "serve --dir DIR --log-key FILE", Short: "Sign what continues what was seen, and refuse what does not",
		Long: `Run a witness (c2sp.org/tlog-witness) on a machine that those who own the broker do not
own. It signs a log's checkpoint only if it continues the last one it signed, and
remembers that before it answers: a log that was rolled back or forked is refused, and
the log's own signature under the fork is kept as proof.

It makes its key in DIR at the first start and prints the other half, which belongs into
the broker's penstock.yaml (outside: places:) and to the auditors. DIR must not be
brought back from an old copy: a witness that forgets is none.`,
		Args: exactly(0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if w.dir == "" || len(w.logs) == 0 {
				return usage("say where it remembers and which log it watches: --dir DIR --log-key DATA/keys/log.pub")
			}
			if (w.certificate == "") != (w.key == "") {
				return usage("--certificate and --key belong together; without both a self-signed pair is made in DIR")
			}
			return w.serve(c.Context(), slog.New(slog.NewJSONHandler(c.ErrOrStderr(), nil)))
		}}
	f := c.Flags()
	f.StringVar(&w.listen, "listen", ":7443", "address for HTTPS")
	f.StringVar(&w.dir, "dir", "", "folder of its key and of what it remembers")
	f.StringArrayVar(&w.logs, "log-key", nil, "verifier key of a log (log.pub of a broker), or a file that holds it; may be repeated")
	f.StringVar(&w.name, "name", "", "host name of this witness, in its key and certificate; default: the machine's")
	f.StringVar(&w.certificate, "certificate", "", "PEM file; default: a self-signed one is made, DIR/https.pem")
	f.StringVar(&w.key, "key", "", "PEM file of the certificate's key")
	return c
}

func (w witnessing) serve(ctx context.Context, logger *slog.Logger) error {
	if w.name == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("the machine's name: %w; say --name", err)
		}
		w.name = host
	}
	if err := durable.MkdirAll(w.dir, 0o700); err != nil {
		return err
	}
	key, err := w.ownKey()
	if err != nil {
		return err
	}
	logs, err := logVerifiers(w.logs)
	if err != nil {
		return err
	}
	seen, err := witness.Open(w.dir, witness.Options{Key: key, Logs: logs, Slog: logger})
	if err != nil {
		return err
	}
	cert, err := w.pair()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", w.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer l.Close()
	srv := &http.Server{Handler: seen, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ConnState: boundedState, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() {
		wait, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(wait) // what it has answered is remembered
	})
	defer stop()
	for _, s := range seen.Seen() {
		logger.Info("remembered", "origin", s.Origin, "size", uint64(s.Size), "at", s.At)
	}
	logger.Info("ready", "https", l.Addr().String(), "witness_key", key.Verifier().String(), "certificate", cmp.Or(w.certificate, filepath.Join(w.dir, "https.crt")))
	bounded := newBounded(l)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if err := srv.Serve(tls.NewListener(bounded, config)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// ownKey loads witness.key, or makes it where nothing was ever remembered.
func (w witnessing) ownKey() (*audit.WitnessKey, error) {
	path := filepath.Join(w.dir, "witness.key")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if notes, _ := filepath.Glob(filepath.Join(w.dir, "*.note")); len(notes) > 0 {
			return nil, fmt.Errorf("%s is missing, and this witness has signed with it: bring it back from a copy", path)
		}
		text, err := audit.NewWitnessKey(w.name)
		if err != nil {
			return nil, err
		}
		if err := durable.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			return nil, err
		}
		b = []byte(text)
	} else if err != nil {
		return nil, fmt.Errorf("the witness's key: %w", err)
	} else if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: run chmod go-rwx %s, and think about who may have read it", path, path)
	}
	key, err := audit.ParseWitnessKey(string(trimLine(b)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, durable.WriteFile(filepath.Join(w.dir, "witness.pub"), []byte(key.Verifier().String()+"\n"), 0o644)
}

// pair is the certificate that was named, else our own self-signed one, whose
// public half is put beside it for the broker's file.
func (w witnessing) pair() (tls.Certificate, error) {
	if w.certificate != "" {
		c, err := tls.LoadX509KeyPair(w.certificate, w.key)
		if err != nil {
			return c, fmt.Errorf("certificate and key: %w", err)
		}
		return c, nil
	}
	path := filepath.Join(w.dir, "https.pem")
	c, err := readSelfSigned(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && time.Now().After(c.Leaf.NotAfter.Add(-selfSignedRenew)) {
		if err = makeSelfSigned(path, w.name, time.Now()); err == nil {
			c, err = readSelfSigned(path)
		}
	}
	if err != nil {
		return c, fmt.Errorf("the witness's own certificate: %w", err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	return c, durable.WriteFile(filepath.Join(w.dir, "https.crt"), public, 0o644)
}

// logVerifiers reads verifier keys, or files with one on each line.
func logVerifiers(list []string) ([]note.Verifier, error) {
	var all []note.Verifier
	for _, s := range list {
		text := s
		if b, err := os.ReadFile(s); err == nil {
			text = string(b)
		} else if !strings.Contains(s, "+") {
			return nil, fmt.Errorf("the log's key: %w", err)
		}
		for _, line := range strings.Fields(text) {
			v, err := note.NewVerifier(line)
			if err != nil {
				return nil, fmt.Errorf("%q is no verifier key of a log: %w", line, err)
			}
			all = append(all, v)
		}
	}
	return all, nil
}

func witnessShow() *cobra.Command {
	var dir, url, ca string
	var asJSON, notes bool
	c := &cobra.Command{Use: "show (--dir DIR | --url https://WITNESS:7443 --ca FILE)", Short: "Say what a witness remembers",
		Long: `Say what a witness remembers of each log: from its folder, or asked over HTTPS. With
--notes it prints the signed checkpoints themselves, for penstock-verify --checkpoint.`,
		Args: exactly(0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			var all []witness.Seen
			var err error
			switch {
			case (dir == "") == (url == ""):
				return usage("say --dir DIR or --url https://…, one of them")
			case dir != "":
				all, err = witness.Remembered(dir)
			default:
				all, err = askWitness(c.Context(), url, ca)
			}
			if err != nil {
				return err
			}
			return showSeen(c.OutOrStdout(), all, asJSON, notes)
		}}
	f := c.Flags()
	f.StringVar(&dir, "dir", "", "the witness's folder, read as it is")
	f.StringVar(&url, "url", "", "a running witness")
	f.StringVar(&ca, "ca", "", "PEM file with its certificate (DIR/https.crt), or of who signed it; default: the machine's own list")
	f.BoolVar(&asJSON, "json", false, "as JSON")
	f.BoolVar(&notes, "notes", false, "the signed checkpoints, one on a line")
	return c
}

func witnessForget() *cobra.Command {
	var dir, origin string
	var really bool
	c := &cobra.Command{Use: "forget --dir DIR --origin ORIGIN [--really]", Short: "Let a log begin anew that was rightly brought back from a backup",
		Long: `After a restore a log is shorter than what the witness saw, and the witness refuses it, as
it should. Whoever runs the witness (never who runs the broker) asks why, and if the
answer is good lets the log begin anew. What was remembered is kept beside, and goes on
proving what there was. Stop the witness first. Without --really it only says what it
would do.`,
		Args: exactly(0, "flags only"),
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" || origin == "" {
				return usage("say --dir DIR and --origin ORIGIN, as penstock witness show prints it")
			}
			all, err := witness.Remembered(dir)
			if err != nil {
				return err
			}
			for _, s := range all {
				if s.Origin != origin {
					continue
				}
				if !really {
					_, err := fmt.Fprintf(c.OutOrStdout(), "would forget %d leaves of %s, witnessed %s; say --really\n", s.Size, visible(origin), s.At.Format(time.RFC3339))
					return err
				}
				kept, err := witness.Forget(dir, origin, time.Now())
				for _, name := range kept {
					fmt.Fprintln(c.OutOrStdout(), "kept", name)
				}
				return err
			}
			return exit{exitNo, fmt.Errorf("nothing is remembered of %s", visible(origin))}
		}}
	f := c.Flags()
	f.StringVar(&dir, "dir", "", "the witness's folder")
	f.StringVar(&origin, "origin", "", "which log")
	f.BoolVar(&really, "really", false, "do it")
	return c
}

func showSeen(w io.Writer, all []witness.Seen, asJSON, notes bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	for _, s := range all {
		var err error
		switch {
		case notes && s.Note != nil:
			_, err = fmt.Fprintln(w, audit.NoteText(s.Note))
		case notes:
		case s.Note == nil:
			_, err = fmt.Fprintf(w, "%s  nothing yet\n", visible(s.Origin))
		default:
			_, err = fmt.Fprintf(w, "%s  %d leaves  %s  witnessed %s\n", visible(s.Origin), s.Size, s.Root, s.At.Format(time.RFC3339))
		}
		if err == nil && s.Refused > 0 && !notes {
			_, err = fmt.Fprintln(w, "  ! this log has signed trees that do not continue what was witnessed; they are kept in its .refused file")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func askWitness(ctx context.Context, url, ca string) ([]witness.Seen, error) {
	config, err := trusting(ca)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+"/logs", nil)
	if err != nil || req.URL.Scheme != "https" {
		return nil, usage("%q is no address of a witness: https://HOST:7443", url)
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, exit{exitNoReach, fmt.Errorf("ask the witness: %w", err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the witness answered %s", resp.Status)
	}
	var all []witness.Seen
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<20)).Decode(&all); err != nil {
		return nil, fmt.Errorf("the witness's answer: %w", err)
	}
	return all, nil
}

// trusting is TLS to a place outside: ca is a PEM file, or empty for the machine's own list.
func trusting(ca string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca == "" {
		return config, nil
	}
	b, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("the certificate to trust: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", ca)
	}
	return config, nil
}
