package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// kioskIssuer is the name that every kiosk's certificate has, as its own issuer:
// the listener names it, so that browsers offer no other certificate.
var kioskIssuer = pkix.Name{Organization: []string{"Penstock"}, CommonName: "Penstock kiosk"}

const kioskLife = 397 * 24 * time.Hour

// kioskCommand is everything about screens of the control room.
func kioskCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "kiosk", Short: "Screens of the control room: they take access away without anybody's sign-in"}
	cmd.AddCommand(kioskNewCommand(), kioskEnrolCommand(), kioskRevokeCommand(),
		listCommand("list", "List enrolled screens", "/kiosks", "No screen is enrolled.", func(w *tabwriter.Writer, k api.Kiosk, l *time.Location) {
			state := "until " + local(k.Until, l)
			if k.Revoked != "" {
				state = "revoked by " + k.Revoked
			}
			fmt.Fprintf(w, "%s\t%s\t%s\tenrolled by %s\n", k.ID, printable(k.Name), state, k.By)
		}))
	return cmd
}

// kioskNewCommand makes a key and its certificate on the screen's own computer.
func kioskNewCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "new --out kiosk.pem", Short: "Make the key and certificate of a screen, on its own computer", Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, certificate, err := newKioskPair(time.Now())
			if err != nil {
				return err
			}
			for _, f := range []struct {
				name string
				text []byte
				perm os.FileMode
			}{{out, append(key, certificate...), 0o600}, {out + ".crt", certificate, 0o644}} {
				if err := writeNew(f.name, f.text, f.perm); err != nil {
					return usage("%v", err)
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Key and certificate: %s (keep it on this computer)\nCertificate alone:   %s (OT security enrols it: penstock kiosk enrol %s, or the page Kiosks)\nInto the browser:    openssl pkcs12 -export -in %s -out kiosk.p12, and import that; then open https://…/kiosk\n", out, out+".crt", out+".crt", out)
			return nil
		}}
	cmd.Flags().StringVar(&out, "out", "", "file to make, for key and certificate; FILE.crt is made beside it")
	_ = cmd.MarkFlagRequired("out") // only fails for a flag that is not there
	return cmd
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, b []byte, perm os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// newKioskPair is a P-256 key and its self-signed certificate, in PEM form.
func newKioskPair(now time.Time) (key, certificate []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make its key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, fmt.Errorf("make its number: %w", err)
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: kioskIssuer, NotBefore: now.Add(-selfSignedBefore), NotAfter: now.Add(kioskLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.Public(), k)
	if err != nil {
		return nil, nil, fmt.Errorf("sign it: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, fmt.Errorf("write its key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func kioskEnrolCommand() *cobra.Command {
	var c caller
	var ask api.KioskAsk
	var until string
	cmd := &cobra.Command{Use: "enrol kiosk.pem.crt", Short: "Let the browser that has this certificate's key take access away", Args: exactly(1, "the certificate, without its key"),
		Example: `  penstock kiosk enrol kiosk.pem.crt --as lena --name "Control room 1"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return usage("%v", err)
			}
			defer f.Close()
			b, err := io.ReadAll(io.LimitReader(f, 32<<10))
			if err != nil {
				return fmt.Errorf("read %s: %w", args[0], err)
			}
			return does(&c, cmd, withCode, "/kiosks", func() (any, error) {
				ask.Certificate = string(b)
				if until == "" {
					return ask, nil
				}
				var err error
				ask.Until, err = parseTime(until, time.Now(), c.zone)
				return ask, err
			}, func(w *tabwriter.Writer, k api.Kiosk) {
				fmt.Fprintf(w, "%s\t%s is enrolled until %s\n", k.ID, printable(k.Name), local(k.Until, c.zone))
			})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&ask.Name, "name", "", "what the screen is called")
	cmd.Flags().StringVar(&until, "until", "", "end; without it the certificate's own")
	_ = cmd.MarkFlagRequired("name") // only fails for a flag that is not there
	return cmd
}

func kioskRevokeCommand() *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: "revoke K-1", Short: "A screen takes nothing any more, at once", Args: exactly(1, "a kiosk, such as K-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withoutCode, "/kiosks/"+url.PathEscape(args[0])+"/revoke", itself(&step), func(w *tabwriter.Writer, _ api.Receipted) { fmt.Fprintf(w, "%s is revoked.\n", args[0]) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	return cmd
}
