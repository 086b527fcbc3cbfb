package verbs

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/policy"
)

func (c *call) help() error {
	c.printf("Penstock, %s. You are %s.\nType: %s\n\n", c.Plant().Site.Name, c.name(c.by.Person), c.command("desk", "VERB"))
	for _, v := range c.verbs() {
		if c.by.Machine && !slices.Contains(machineVerbs, v.name) {
			continue
		}
		c.printf("  %-10s %s\n", v.name, v.says)
		if v.usage != v.name {
			c.printf("             %s\n", v.usage)
		}
		if v.name != "request" {
			continue
		}
		for _, also := range askAlso {
			c.printf("               %s\n                 %s\n", also.flags, also.says)
		}
	}
	c.printf("\nThe certificate of an open window:  %s\n--json prints for programs. Exit codes: 0 done, 1 error, 2 not understood, 3 the answer is no.\n", c.CertLine())
	return nil
}

// setup prints what a person copies into their own files.
func (c *call) setup() error {
	site := c.Plant().Site.ID
	hostCA, hostKey := line(c.CA.Host()), line(c.CA.HostKey().PublicKey())
	known := c.Name
	if c.Port != 0 && c.Port != 22 {
		known = fmt.Sprintf("[%s]:%d", c.Name, c.Port)
	}
	if c.args.json {
		c.json(map[string]any{"known_hosts": []string{"@cert-authority " + c.Name + ",*." + site + " " + hostCA, known + " " + hostKey},
			"host": c.Name, "port": c.Port, "fingerprint": ssh.FingerprintSHA256(c.CA.HostKey().PublicKey()), "certificate": c.CertLine(), "ssh_config": c.sshConfig()})
		return nil
	}
	c.printf("# 1. Add to ~/.ssh/known_hosts, so that nobody can stand between you and the broker:\n@cert-authority %s,*.%s %s\n\n", c.Name, site, hostCA)
	c.printf("# 2. Add to ~/.ssh/config (with the name of your own key):\n%s\n", c.sshConfig())
	c.printf("# 3. When your window is open, get the certificate (again after an hour), then work:\n%s\n", c.CertLine())
	c.printf("# or, the same: %s\n", c.copyLine())
	c.workLines()
	c.printf("\n# All ports of a window at once, with the time left: the program penstock-connect, which your contact at the plant can give you:\n%s\n", c.connectLine())
	c.onWindows("@cert-authority " + c.Name + ",*." + site + " " + hostCA)
	c.printf("# The host key that they show must be %s\n# or this line in the known_hosts of other programs:\n# %s %s\n", ssh.FingerprintSHA256(c.CA.HostKey().PublicKey()), known, hostKey)
	return nil
}

// onWindows says what is another there: the shells, and programs that are not OpenSSH's.
func (c *call) onWindows(hostCA string) {
	c.printf("\n# On Windows ~/.ssh is the folder .ssh in %%USERPROFILE%%, and ssh is there already. Steps 1 and 3 in one line each, for cmd and PowerShell alike\n")
	c.printf("# (PowerShell's own > writes UTF-16, which ssh cannot read); in step 2 save from Notepad as \"config\", with the quotes, or it becomes config.txt:\n%s\n%s\n",
		policy.KeptOnWindows(hostCA, "known_hosts"), policy.TakenOnWindows(c.command("cert", ""), "id_ed25519-cert.pub"))
	c.printf("# penstock-connect.exe needs the line of step 1 alone; in its folder: .\\%s\n", c.connectLine())
	c.printf("\n# PuTTY (0.78 or newer) and WinSCP: host name %s, port %d, user name %s+ACCOUNT+ASSET.\n", c.Name, max(c.Port, 22), c.by.Person)
	c.printf("# Your key in PuTTY's form: PuTTYgen, Load, Save private key. In PuTTY: Connection, SSH, Auth, Credentials; \"Private key file\": that one,\n")
	c.printf("# \"Certificate to use with the private key\": the file of step 3, again after each new one. In WinSCP: Advanced, SSH, Authentication, the same two.\n")
	c.printf("# FileZilla reads no certificate out of a file: PuTTYgen, Key, Add certificate to key, save that as a second key, and give it to Pageant, which FileZilla asks.\n")
	c.printf("# For forwards in PuTTY: Connection, SSH, Tunnels; destination ASSET:PORT as in the lines above with -L.\n")
}

// sshConfig is what makes "ssh ACCOUNT@ASSET.site" enough. The same key and
// certificate log in at the broker and behind it.
func (c *call) sshConfig() string {
	site, port := c.Plant().Site.ID, ""
	if c.Port != 0 && c.Port != 22 {
		port = fmt.Sprintf("Host %s\n    Port %d\n", c.Name, c.Port)
	}
	return port + fmt.Sprintf("Host *.%s\n    ProxyJump %s@%s\nHost %s *.%s\n    IdentityFile ~/.ssh/id_ed25519\n    CertificateFile ~/.ssh/id_ed25519-cert.pub\n"+
		"    IdentitiesOnly yes\n    ForwardAgent no\n    ForwardX11 no\n", site, c.by.Person, c.Name, c.Name, site)
}

// connectLine opens all ports of a window with the vendor's program.
func (c *call) connectLine() string {
	return "penstock-connect --broker " + net.JoinHostPort(c.Name, strconv.Itoa(max(c.Port, 22)))
}

// workLines are the lines that reach the machines of the person's windows.
func (c *call) workLines() {
	var all []policy.Target
	if windows, err := c.Desk.Windows(c.ctx, c.by); err == nil {
		for _, w := range windows {
			if !over(w.State) {
				all = append(all, targets(w)...)
			}
		}
	}
	if len(all) == 0 {
		c.printf("ssh ACCOUNT@ASSET.%s\n# or, where a client cannot jump: %s\n", c.Plant().Site.ID, c.PlusForm(c.by.Person))
		return
	}
	for _, t := range all {
		if t.Account != "" {
			c.printf("ssh %s@%s\n# or, where a client cannot jump: %s\n", t.Account, c.Plant().Host(t.Asset), c.reach(c.by.Person, t))
		} else {
			c.printf("%s\n", c.reach(c.by.Person, t))
		}
	}
}

func line(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

func (c *call) showKey() error {
	print := ssh.FingerprintSHA256(c.key)
	if c.args.json {
		c.json(map[string]string{"person": string(c.by.Person), "key": print, "type": c.key.Type()})
		return nil
	}
	c.printf("%s came with the key\n%s\n", c.name(c.by.Person), print)
	return nil
}

// totp enrols a code generator: the secret is shown once and counts only after
// a code of it. Replacing one asks for a code of the old one first.
func (c *call) totp() error {
	who, err := c.Roster.Person(c.ctx, c.by.Person)
	if err != nil {
		return fmt.Errorf("read person: %w", err)
	}
	by := c.by
	if _, has := who.Key(people.TOTP); has {
		if by, err = c.code("You have a code generator. To replace it, give a code of the old one: "); err != nil {
			return err
		}
	}
	secret, uri, err := c.Proofs.NewSecret(c.ctx, by)
	if err != nil {
		return err
	}
	c.warnf("Enter this in an authenticator app. It is shown once; nobody can show it again.\n\n    secret  %s\n    %s\n\n", groups(secret), uri)
	for try := 0; ; try++ {
		code, err := c.t.Ask("Code that the app shows now: ", true)
		if err != nil {
			return err
		}
		err = c.Proofs.EnrolSecret(c.ctx, by, secret, strings.TrimSpace(code))
		var no *policy.Refusal
		if errors.As(err, &no) && no.Rule == "login" && try < 2 {
			c.warnf("%s\n", c.Typed(no.Say))
			continue
		}
		if err != nil {
			return err
		}
		c.printf("Your code generator is set up. The code you gave is used up; the next one comes in at most 30 seconds.\n")
		return nil
	}
}

// code proves the second factor in the middle of a verb.
func (c *call) code(prompt string) (people.Actor, error) {
	code, err := c.t.Ask(prompt, true)
	if err != nil {
		return people.Actor{}, err
	}
	return c.Proofs.Code(c.ctx, c.by, strings.TrimSpace(code))
}

func (c *call) password() error {
	who, err := c.Roster.Person(c.ctx, c.by.Person)
	if err != nil {
		return fmt.Errorf("read person: %w", err)
	}
	if !c.t.TTY {
		return ErrNoTerminal
	}
	by := c.by
	if _, has := who.Key(people.Password); has {
		if by, err = c.code("You have a password. To replace it, give a code of your generator: "); err != nil {
			return err
		}
	}
	first, err := c.t.Ask("New password (12 characters or more): ", false)
	if err != nil {
		return err
	}
	second, err := c.t.Ask("Once more: ", false)
	if err != nil {
		return err
	}
	if first != second {
		return &policy.Refusal{Rule: "password-differs", Say: "The two are not the same. Nothing was changed; try again.", Why: "typed differently"}
	}
	if err := c.Proofs.SetPassword(c.ctx, by, first); err != nil {
		return err
	}
	c.printf("Your password is set.\n")
	return nil
}

// groups cuts a secret into fours: people type it.
func groups(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
