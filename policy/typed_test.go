package policy

import (
	"strings"
	"testing"
)

// cmd.exe takes all behind cd for a folder and a digit before > for a file's number; the outer
// quotes are the only ones, since PowerShell hands them on as one word.
func TestLinesForWindows(t *testing.T) {
	known, cert := KeptOnWindows("@cert-authority broker,*.kiel ssh-ed25519 AAAA6", "known_hosts"), TakenOnWindows("ssh -p 2222 cert@broker", "id_ed25519-cert.pub")
	for line, want := range map[string]string{
		known: `cmd /c "cd /d %USERPROFILE%&& (if not exist .ssh md .ssh)&& echo @cert-authority broker,*.kiel ssh-ed25519 AAAA6 >> .ssh\known_hosts"`,
		cert:  `cmd /c "cd /d %USERPROFILE%\.ssh&& ssh -p 2222 cert@broker > id_ed25519-cert.pub"`,
	} {
		if line != want || strings.Count(line, `"`) != 2 || strings.ContainsAny(line, "$`'") {
			t.Errorf("%s", line)
		}
	}
}
