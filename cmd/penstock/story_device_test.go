package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// Commands of the story about sealed secrets:
//
//	device FILE     in the target's place, a machine that knows no certificate: its account's password is the text of
//	                FILE, its chpasswd takes ACCOUNT:NEW in a line, and any other command is said back
//	[!] opens FILE  that password logs in at the device, past the broker
//	unseen FOLDER   no file there has any password that the device ever had
func init() {
	sceneCommands["device"] = noNeg((*story).startDevice)
	sceneCommands["opens"] = opensCommand
	sceneCommands["unseen"] = noNeg((*story).unseen)
}

// device is an old machine in this process: one of the operating system would
// have its password in /etc/shadow of whoever runs the tests.
type device struct {
	account  string
	listener net.Listener

	mu        sync.Mutex
	passwords []string // the last one counts
}

func (s *story) startDevice(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 || s.sshd != nil {
		return errors.New("usage: device FILE; stop the target first: notarget")
	}
	key, err := os.ReadFile(s.path("target_host"))
	if err != nil {
		return err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return err
	}
	d := &device{account: ts.Getenv("ACCOUNT"), passwords: []string{strings.TrimSpace(ts.ReadFile(args[0]))}}
	config := &ssh.ServerConfig{PasswordCallback: d.login}
	config.AddHostKey(signer)
	if d.listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.sshdPort))); err != nil {
		return err
	}
	go func() { // until the story is over, and each connection until the broker has closed it
		for {
			c, err := d.listener.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); d.serve(c, config) }()
		}
	}()
	s.device = d
	ts.Defer(func() { d.listener.Close() })
	return nil
}

func (d *device) login(m ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.User() != d.account || string(password) != d.passwords[len(d.passwords)-1] {
		return nil, errors.New("no")
	}
	return nil, nil
}

func (d *device) serve(c net.Conn, config *ssh.ServerConfig) {
	_, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	for n := range chans {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.Prohibited, "")
			continue
		}
		ch, reqs, err := n.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range reqs {
				_ = r.Reply(r.Type == "exec", nil)
				if r.Type == "exec" {
					go d.run(ch, string(r.Payload[4:]))
				}
			}
		}()
	}
}

func (d *device) run(ch ssh.Channel, command string) {
	status := uint32(0)
	if command == "chpasswd" {
		line, err := io.ReadAll(io.LimitReader(ch, 4096))
		account, password, ok := strings.Cut(strings.TrimSpace(string(line)), ":")
		if err != nil || !ok || account != d.account {
			status = 1
		} else {
			d.mu.Lock()
			d.passwords = append(d.passwords, password)
			d.mu.Unlock()
		}
	} else {
		fmt.Fprintln(ch, "device: "+command)
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ S uint32 }{status})) // it may be gone
	ch.Close()
}

func opensCommand(ts *testscript.TestScript, neg bool, args []string) {
	s := storyOf(ts)
	c, err := ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.sshdPort)), &ssh.ClientConfig{User: ts.Getenv("ACCOUNT"), HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		Auth: []ssh.AuthMethod{ssh.Password(strings.TrimSpace(ts.ReadFile(args[0])))}})
	if err == nil {
		c.Close()
	}
	if (err == nil) == neg {
		ts.Fatalf("opens %s: %v", args[0], err)
	}
}

func (s *story) unseen(_ *testscript.TestScript, args []string) error {
	s.device.mu.Lock()
	secrets := append([]string{}, s.device.passwords...)
	s.device.mu.Unlock()
	if len(secrets) < 2 {
		return errors.New("the device's password never changed")
	}
	return filepath.WalkDir(s.path(args[0]), func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		for i, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				return fmt.Errorf("%s has the device's password number %d", p, i+1)
			}
		}
		return err
	})
}
