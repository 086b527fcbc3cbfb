package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// role is one of the cast and what that person is there for.
type role struct {
	Name, Full, Firm string
	Roles            []string
	Does, Password   string
	Phone            string
}

// cast: Jan invites and confirms, Olaf and Lena answer, Mia opens: one duty each,
// and nobody needs more codes in a minute than a generator shows. Between them
// they hold every role of the plant file.
var cast = []role{
	{"ann", "Ann Keller", "krall", nil, "the vendor's engineer, of Krall", "bottles in a row 3127", "+49 431 555 0121"},
	{"jan", "Jan Brandt", "fjord", []string{"duty-engineer", "safety", "plant-manager"}, "duty engineer: invites", "wheel valve lamp 8812", "+49 431 555 0102"},
	{"olaf", "Olaf Holm", "fjord", []string{"line-1-owner", "utilities-owner"}, "line 1 owner: answers", "seven grey gulls 4406", "+49 431 555 0103"},
	{"lena", "Lena Lang", "fjord", []string{"ot-security", "it-network"}, "OT security: answers, reads", "tide table north 9953", "+49 431 555 0104"},
	{"mia", "Mia Voss", "fjord", []string{"shift", "utilities-shift"}, "shift: opens, pauses, cuts", "night shift coffee 2270", "+49 431 555 0101"},
}

// signIn is what a demo's person knows, in the clear: this is a demo's file and
// must never be one of a plant.
type signIn struct {
	Password   string `json:"password"`
	Secret     string `json:"secret"`     // of the code generator, once enrolled
	Spent      int64  `json:"spent"`      // newest step given out
	Invitation string `json:"invitation"` // code, until it is used
	Done       stage  `json:"done"`
}

// stage is how far a person's enrolment has come, so that an interrupted one goes on.
type stage int

const (
	nothingDone stage = iota
	invited
	joined
	confirmed
	hasCode
	enrolled
)

func (f folder) signInFile(name string) string { return f.at("people", name, "signin.json") }

func (f folder) readSignIn(name string) (signIn, error) {
	var s signIn
	text, err := os.ReadFile(f.signInFile(name))
	if err != nil {
		return s, fmt.Errorf("read how %s signs in: %w", name, err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("read how %s signs in: %w", name, err)
	}
	return s, nil
}

func (f folder) writeSignIn(name string, s signIn) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("keep how %s signs in: %w", name, err)
	}
	path := f.signInFile(name)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep how %s signs in: %w", name, err)
	}
	return os.Rename(path+".new", path)
}

// player is one of the cast with a Person at the terminal.
type player struct {
	*Person
	who  role
	done stage
}

// players are the cast as an earlier run left them.
func (f folder) players() (map[string]*player, error) {
	_, err := os.Stat(f.at("data", "log"))
	anew := errors.Is(err, fs.ErrNotExist) // whoever took the log away took all that people set up
	all := map[string]*player{}
	for _, c := range cast {
		s, err := f.readSignIn(c.Name)
		if anew || errors.Is(err, fs.ErrNotExist) {
			s, err = signIn{Password: c.Password}, nil
			if c.Firm == "fjord" {
				s.Done = confirmed // the bootstrap file names them
			}
			err = f.writeSignIn(c.Name, s)
		}
		if err != nil {
			return nil, err
		}
		all[c.Name] = &player{who: c, done: s.Done, Person: &Person{Name: c.Name, Home: f.at("people", c.Name),
			Password: s.Password, Secret: s.Secret, spent: s.Spent, Invitation: s.Invitation}}
	}
	return all, nil
}

// knows is what the player signs in with now.
func (p *player) knows() signIn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return signIn{Password: p.Password, Secret: p.Secret, Spent: p.spent, Invitation: p.Invitation, Done: p.done}
}

// keep writes down what the player knows now, if it is more than before: codes
// are also given out by another process, which writes the same file.
func (f folder) keep(p *player, before signIn) error {
	if now := p.knows(); now != before {
		return f.writeSignIn(p.Name, now)
	}
	return nil
}

// Code is a code of one of the cast that was not given before; where there is
// none it says so on errs and waits for the generator's next.
func Code(ctx context.Context, dir, name string, errs io.Writer) (string, error) {
	if !slices.ContainsFunc(cast, func(c role) bool { return c.Name == name }) {
		return "", fmt.Errorf("%q is not in the demo: say one of %s", name, strings.Join(names(), ", "))
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the demo's folder: %w", err)
	}
	f := folder(abs)
	if _, err := os.Stat(f.signInFile(name)); err != nil {
		return "", fmt.Errorf("no demo was set up in %s: run penstock demo --dir D, and say the same --dir here", dir)
	}
	lock, err := os.OpenFile(f.at("people", name, "code.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the codes of %s: %w", name, err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the codes of %s: %w", name, err)
	}
	s, err := f.readSignIn(name)
	if err != nil {
		return "", err
	}
	p := &Person{Name: name, Secret: s.Secret, spent: s.Spent, Waits: func() { fmt.Fprintln(errs, waitsForCode) }}
	code, err := p.Code(ctx)
	if err != nil {
		return "", err
	}
	s.Spent = p.spent
	return code, f.writeSignIn(name, s)
}

const waitsForCode = "waiting for a fresh code … (each counts once, the next comes within 30 s)"

func names() []string {
	var all []string
	for _, c := range cast {
		all = append(all, c.Name)
	}
	return all
}
