package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
)

// listen takes the ports of the machine whose sessions are cut, which the plant
// file has to name. Nobody is served before ends.
func (p *plant) listen(context.Context) (err error) {
	for _, at := range []struct {
		to   *net.Listener
		port *int
	}{{&p.cutSSHEnd, &p.cutSSHPort}, {&p.cutEnd, &p.cutPort}} {
		if *at.to, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen as a machine: %w", err)
		}
		*at.port = (*at.to).Addr().(*net.TCPAddr).Port
	}
	return nil
}

// ends serves the machine's streams: commands over ssh, and bare TCP. What it
// gives closes all of them.
func (p *plant) ends(ctx context.Context, commands, forwards *meters) (func(), error) {
	config, err := p.machine()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var all []net.Conn
	serve := func(l net.Listener, one func(net.Conn)) {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
			go one(c)
		}
	}
	go serve(p.cutSSHEnd, func(c net.Conn) {
		defer c.Close()
		serveCommands(ctx, c, config, commands)
	})
	go serve(p.cutEnd, func(c net.Conn) {
		defer c.Close()
		<-forwards.add(end{from: c, to: c}).over
	})
	return func() {
		_ = p.cutSSHEnd.Close() // ours
		_ = p.cutEnd.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range all {
			_ = c.Close() // may have ended
		}
	}, nil
}

// machine admits whom the broker certifies, as the stock target does.
func (p *plant) machine() (*ssh.ServerConfig, error) {
	text, err := os.ReadFile(p.at("out_ca.pub"))
	if err != nil {
		return nil, fmt.Errorf("read whom the machine trusts: %w", err)
	}
	trusted, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("read whom the machine trusts: %w", err)
	}
	key, err := os.ReadFile(p.at("host_key"))
	if err != nil {
		return nil, fmt.Errorf("read the machine's key: %w", err)
	}
	host, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("read the machine's key: %w", err)
	}
	check := ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(trusted.Marshal()) }}
	c := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		cert, ok := key.(*ssh.Certificate)
		if !ok {
			return nil, errors.New("no certificate")
		}
		return nil, check.CheckCert("maint@cut-plc.kiel", cert)
	}}
	c.AddHostKey(host)
	return c, nil
}

// serveCommands meters whatever command is asked for, until the connection ends.
func serveCommands(ctx context.Context, raw net.Conn, config *ssh.ServerConfig, to *meters) {
	_, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return // the broker says why
	}
	go ssh.DiscardRequests(requests)
	for nc := range channels {
		c, asks, err := nc.Accept()
		if err != nil {
			return
		}
		go func() {
			for ask := range asks {
				is := ask.Type == "exec"
				if ask.WantReply {
					_ = ask.Reply(is, nil) // the connection may have ended
				}
				if is && ctx.Err() == nil {
					to.add(end{from: c, to: c})
				}
			}
		}()
	}
}
