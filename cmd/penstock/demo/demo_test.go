package demo

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for name, row := range map[string]struct{ shown, want string }{
		"a password that is asked for":  {"Password for olaf: \r\nCode for olaf: \r\nR-1 agreed\r\n", "Password for olaf: ••••\nCode for olaf: ••••\nR-1 agreed\n"},
		"a code that was echoed":        {"(cert@broker.example) Code from your generator: 123456\r\n", "(cert@broker.example) Code from your generator: ••••\n"},
		"the generator's secret":        {"    secret  ABCD EFGH IJKL MNOP QRST\r\n    otpauth://totp/x?secret=ABCDEFGHIJKLMNOPQRST\r\n", "    secret  ••••\n    otpauth://••••\n"},
		"an invitation's code":          {"phone:\r\n\r\n    PUHF-73K4-SAEO-UC6X\r\n\r\nThen\r\n", "phone:\n\n    ••••\n\nThen\n"},
		"progress":                      {"  3 %\r 50 %\rProved\r\n", "Proved\n"},
		"lines that ssh ends itself":    {"Permission denied (publickey).\r\r\n", "Permission denied (publickey).\n"},
		"escapes of a shell":            {"\x1b[?2004h\x1b[1;32mroot\x1b[0m# ls\r\n", "root# ls\n"},
		"ssh's own goodbye":             {"done\r\nConnection to 127.0.0.1 closed.\r\r\n", "done\n"},
		"a code in a sentence is shown": {"Give the code 1-2-3 when asked: now\r\n", "Give the code 1-2-3 when asked: now\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := clean(row.shown, []string{"123456", ""}); got != row.want {
				t.Errorf("clean(%q)\n got %q\nwant %q", row.shown, got, row.want)
			}
		})
	}
}

// TestWrap: no line is longer than it may be unless it is one word, and no word is lost.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`( {0,12}[a-zäß•]{1,30}){0,12}`).Draw(t, "text")
		width := rapid.IntRange(4, 60).Draw(t, "width")
		parts := wrap(text, width)
		if got := strings.Fields(strings.Join(parts, " ")); strings.Join(got, " ") != strings.Join(strings.Fields(text), " ") {
			t.Fatalf("wrap lost words: %q", parts)
		}
		for _, p := range parts {
			if len([]rune(p)) > width && len(strings.Fields(p)) > 1 {
				t.Fatalf("%q is longer than %d", p, width)
			}
		}
	})
}

// TestCodesAreGivenOnce: three codes count at any moment, and the fourth waits.
func TestCodesAreGivenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := 0
		p := &Person{Name: "olaf", Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", Waits: func() { waited++ }}
		time.Sleep(7 * time.Second) // the bubble's clock: somewhere inside a step
		seen := map[string]bool{}
		for i := range 6 {
			code, err := p.Code(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ok, err := totp.ValidateCustom(code, p.Secret, time.Now(), totp.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
			if err != nil || !ok {
				t.Errorf("code %d does not count when it is given: %v", i, err)
			}
			if seen[code] {
				t.Errorf("code %d was given before", i)
			}
			seen[code] = true
			if want := max(0, i-2); waited != want {
				t.Errorf("code %d: waited %d times, want %d", i, waited, want)
			}
		}
	})
}

// TestCodesArriveInTime: a code that ends while it is being typed is not given.
func TestCodesArriveInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Person{Name: "olaf", Secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}
		time.Sleep(29 * time.Second)
		code, err := p.Code(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if ok, err := totp.ValidateCustom(code, p.Secret, time.Now(), totp.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}); err != nil || !ok {
			t.Errorf("the code came too late: %v", err)
		}
	})
}

func TestFolderRefusesWhatItShould(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(t.TempDir(), "taken")
	_, unlock, err := openFolder(taken)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for name, row := range map[string]struct{ dir, want string }{
		"somebody's folder":     {full, "not empty"},
		"another demo's folder": {taken, "another demo runs"},
		"a space in the path":   {filepath.Join(t.TempDir(), "my demo"), "signs in its path"},
		"a path too long":       {"/" + strings.Repeat("long/", 20), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := openFolder(row.dir); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "--dir D") {
				t.Errorf("openFolder(%s): %v; want %q and what to do", row.dir, err, row.want)
			}
		})
	}
}

func TestListenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, row := range map[string]struct{ in, want string }{
		"the whole network": {"0.0.0.0:2222", "no loopback address"},
		"no port":           {"127.0.0.1", "no loopback address"},
		"a name":            {"localhost:2222", "no loopback address"},
		"in use":            {l.Addr().String(), "is in use; choose another port, such as: --ssh 127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := listenAddress("--ssh", row.in); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("listenAddress(%s) = %q, %v; want %q", row.in, got, err, row.want)
			}
		})
	}
	got, err := listenAddress("--https", "127.0.0.1:0")
	if err != nil || strings.HasSuffix(got, ":0") {
		t.Errorf("a free port: %q, %v", got, err)
	}
}

func TestCodeOfNobody(t *testing.T) {
	for _, who := range []string{"mallory", "olaf"} { // unknown; known, but no demo here
		if _, err := Code(context.Background(), t.TempDir(), who, io.Discard); err == nil {
			t.Errorf("a code for %s", who)
		}
	}
}
