package sftp

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"penstock/policy"
)

func TestCommandsAsClientsSendThem(t *testing.T) {
	const look, copies, load = policy.Look, policy.Look | policy.Copy, policy.Look | policy.Load
	for command, want := range map[string]struct {
		kind, said string
		need       policy.Rights
	}{
		"scp -t /tmp/x":                             {"scp", "scp -t /tmp/x", load},
		"scp -v -r -p -d -t -- -odd":                {"scp", "scp -v -r -p -d -t ./-odd", load},
		"scp -f 'a b' \"c d\" e\\ f":                {"scp", "scp -f 'a b' 'c d' 'e f'", copies},
		"scp -f *.log":                              {"scp", "scp -f ./*.log", copies},
		"scp -f ~/logs/[a-c]?.txt":                  {"scp", "scp -f ~/logs/[a-c]?.txt", copies},
		`scp -f ~/a\ b`:                             {"scp", "scp -f ~/'a b'", copies},
		"scp -f '$(id)'":                            {"scp", "scp -f '$(id)'", copies},
		"scp -f -- -oProxyCommand=x":                {"scp", "scp -f ./-oProxyCommand=x", copies},
		"scp -f 'it'\\''s'":                         {"scp", `scp -f 'it'\''s'`, copies},
		"/usr/bin/scp -qrt .":                       {"scp", "/usr/bin/scp -qrt .", load},
		"rsync --server -vlogDtpre.iLsfxCIvu . /in": {"rsync", "rsync --server -vlogDtpre.iLsfxCIvu . /in", load},
		"rsync --server --sender -vre.iLs . *":      {"rsync", "rsync --server --sender -vre.iLs . ./*", copies},
		"rsync --server --sender -re.L --remove-source-files . x": {"rsync", "rsync --server --sender -re.L --remove-source-files . x", copies | load},
		"rsync --server -re.L --temp-dir /t --timeout=5 . x":      {"rsync", "rsync --server -re.L --temp-dir /t --timeout=5 . x", load},
		"rsync --server -re.L . --sender":                         {"rsync", "rsync --server -re.L . ./--sender", load}, // a path, not the option
		"git-upload-pack '/r/x.git'":                              {"git", "git-upload-pack /r/x.git", copies},
		"git-receive-pack '~/x.git'":                              {"git", "git-receive-pack '~/x.git'", load},
		"git upload-archive 'x y'":                                {"git", "git upload-archive 'x y'", copies},
		"git-upload-pack '--upload-pack=x'":                       {"git", "git-upload-pack ./--upload-pack=x", copies},
	} {
		j, err := Parse("exec", command)
		if err != nil || j == nil || j.Kind != want.kind || j.Command != want.said || j.Need != want.need {
			t.Errorf("%s: %+v, %v", command, j, err)
		}
	}
	for _, command := range []string{"cat x", "scp a b", "git status", "rsync -a x y", "echo scp -t x", "", "   "} {
		if j, err := Parse("exec", command); j != nil || err != nil {
			t.Errorf("%q is taken for a transfer: %+v, %v", command, j, err)
		}
	}
	for _, command := range []string{
		"scp -t x; id", "scp -t $(id)", "scp -t `id`", "scp -t $HOME", "scp -t x > y", "scp -t x | y", "scp -t x && id", "scp -t x\nid", "scp -t {a,b}", "scp -t \"$x\"",
		"scp -t", "scp -t a b", "scp -t *", "scp -f", "scp -tf x", "scp -S id -f x", "scp -o ProxyCommand=id -f x", "scp -F x -f y", "scp -t 'x", "scp -t x\\", "scp -f [x", "scp -f [$x]", "scp -t ~$x",
		"scp -t x #y", "scp -f ~\"x\"",
		"rsync --server", "rsync --server .", "rsync --server -s . x", "rsync --server --daemon .", "rsync -v --server . x", "rsync --server --log-file=/x . y", "rsync --server --rsh=id . y",
		"rsync --server -re.L --log-file /x . y", "rsync --server --sender --temp-dir=/x . y", "rsync --server --files-from=/etc/shadow . y", "rsync --server -M--x . y", "rsync --server --write-devices . y",
		"rsync --server -e.L . a b", "rsync --server --timeout . x", "rsync --server *  . x",
		"rsync --server -ve --sender . /x", "rsync --server -e . x", "rsync --server --sender -e . x", // -e takes the next word
		"git-upload-pack", "git-upload-pack a b", "git-upload-pack *", "git-upload-pack x;id", "git upload-pack --exec=x y",
		"/usr/lib/openssh/sftp-server", "s\\cp -t x;",
	} {
		j, err := Parse("exec", command)
		if strings.HasPrefix(command, `s\`) { // a name that is no name of ours: a command like others
			if j != nil || err != nil {
				t.Errorf("%s: %+v, %v", command, j, err)
			}
			continue
		}
		var no *policy.Refusal
		if j != nil || !errors.As(err, &no) || no.Say == "" {
			t.Errorf("%s passes: %+v, %v", command, j, err)
		}
	}
	// A program that the vendor may have brought: run as a transfer it would be a command in a window for files alone.
	for _, command := range []string{"/in/scp -f x", "./rsync --server --sender -e.L . x", "~/git-upload-pack x", "bin/scp -t x", "/usr/bin/../../in/scp -f x", "//usr/bin/scp -f x", "/in/git upload-pack x", "/tmp/sftp-server",
		"/in/rsync --server --sender -e.L . x", "scp/scp -f x", "~maint/scp -f x"} {
		no := (*policy.Refusal)(nil)
		if j, err := Parse("exec", command); j != nil || !errors.As(err, &no) || no.Rule != "transfer-program" && command != "/tmp/sftp-server" {
			t.Errorf("%s passes: %+v, %v", command, j, err)
		}
	}
	if j, err := Parse("subsystem", "sftp"); err != nil || j.Command != "" || j.Need != look {
		t.Errorf("sftp: %+v %v", j, err)
	}
	if j, err := Parse("subsystem", "netconf"); j != nil || err != nil {
		t.Errorf("another subsystem is no transfer: %+v, %v", j, err)
	}
}

// What a real shell makes of the command is exactly the words that were decided on.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"scp -t 'a b'", "scp -f a\\'b \"c\\\"d\"", "scp -f ~/x *.[ch] ?", "scp -f ~/!", "scp -t '~/a b' ~mia/a\\ b", "git-upload-pack 'x'\\''y'", "rsync --server -e.L . é\\ x", "scp -t \x01", "scp -f 'a\nb'", "scp -f -x'--'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		j, err := Parse("exec", command)
		if err != nil || j == nil || strings.ContainsRune(command, 0) {
			return
		}
		words, err := split(j.Command)
		if err != nil {
			t.Fatalf("%q → %q is not understood again: %v", command, j.Command, err)
		}
		for _, w := range words {
			if w.glob || strings.HasPrefix(w.quoted, "~") {
				return // names are the machine's
			}
		}
		out, err := exec.Command("sh", "-c", "set -- "+j.Command+`; for w do printf '%s\0' "$w"; done`).Output()
		if err != nil {
			t.Fatalf("%q → %q: %v", command, j.Command, err)
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		for i, w := range words {
			if i >= len(got) || got[i] != w.text {
				t.Fatalf("%q → %q: a shell reads %q, decided was on %+v", command, j.Command, got, words)
			}
		}
	})
}
