package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// fullCost of argon2id (RFC 9106, second recommended option): 64 MiB, 3 passes,
// 4 lanes. It stands in each sealed document, so it can be raised later.
var fullCost = Cost{Time: 3, Memory: 64 << 10, Threads: 4}

// Cost is what a new password's hash takes. The zero value is the full cost.
type Cost struct {
	Time, Memory uint32 // passes, KiB (8 MiB at least)
	Threads      uint8
}

// CheapCost is for tests, which prove hundreds of passwords under the race
// detector; it protects nobody's password.
var CheapCost = Cost{Time: 1, Memory: 8 << 10, Threads: 4}

const (
	argonKey = 32 // bytes

	maxPassword = 256 // characters
	minPassword = 12
)

// passwordDocument is what is sealed.
type passwordDocument struct {
	V       int    `json:"v"`
	Alg     string `json:"alg"`
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"` // KiB
	Threads uint8  `json:"threads"`
	Salt    []byte `json:"salt"`
	Hash    []byte `json:"hash"`
}

// nobodysPassword is a document that no password fits: its hash is drawn, not computed.
func (c Cost) nobodysPassword() ([]byte, error) {
	d := passwordDocument{V: 1, Alg: "argon2id", Time: c.Time, Memory: c.Memory, Threads: c.Threads, Salt: make([]byte, 16), Hash: make([]byte, argonKey)}
	if _, err := rand.Read(d.Salt); err != nil {
		return nil, err
	}
	if _, err := rand.Read(d.Hash); err != nil {
		return nil, err
	}
	return audit.Canonical(d)
}

func (c Cost) hashPassword(password string) ([]byte, error) {
	d := passwordDocument{V: 1, Alg: "argon2id", Time: c.Time, Memory: c.Memory, Threads: c.Threads, Salt: make([]byte, 16)}
	if _, err := rand.Read(d.Salt); err != nil {
		return nil, err
	}
	d.Hash = argon2.IDKey([]byte(password), d.Salt, d.Time, d.Memory, d.Threads, argonKey)
	return audit.Canonical(d)
}

// matches says whether the password fits the document. The costs are bounded:
// a document is ours, but its reading must not eat the machine.
func matches(document []byte, password string) (bool, error) {
	var d passwordDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return false, errors.New("the password document is not readable")
	}
	if d.V != 1 || d.Alg != "argon2id" || d.Time < 1 || d.Time > 16 || d.Memory < 8<<10 || d.Memory > 256<<10 ||
		d.Threads < 1 || d.Threads > 16 || len(d.Salt) < 8 || len(d.Hash) != argonKey {
		return false, errors.New("the password document has costs or lengths that this build does not know")
	}
	got := argon2.IDKey([]byte(password), d.Salt, d.Time, d.Memory, d.Threads, argonKey)
	return subtle.ConstantTimeCompare(got, d.Hash) == 1, nil
}

// password looks a person up and tries the password. why is empty if it fits.
// Every outcome costs one hashing; err is a fault, not a no. known: it waits for no stranger's.
func (p *Proofs) password(ctx context.Context, known bool, name, password string) (who people.Person, why string, err error) {
	document := p.nobody
	if policy.ValidID(name) {
		who, err = p.roster.Person(ctx, policy.PersonID(name))
	} else {
		err = fs.ErrNotExist
	}
	switch key, ok := who.Key(people.Password); {
	case errors.Is(err, fs.ErrNotExist):
		why = "nobody of that name"
	case err != nil:
		return people.Person{}, "", fmt.Errorf("read person: %w", err)
	case who.Disabled:
		why = "disabled"
	case !ok:
		why = "no password set"
	default:
		if document, err = p.box.Get(ctx, key.Sealed); err != nil {
			return people.Person{}, "", fmt.Errorf("password of %s: %w", who.ID, err)
		}
	}
	if utf8.RuneCountInString(password) > maxPassword || len(password) > 4*maxPassword {
		password, why = "", "password too long"
	}
	leave, err := p.hashing.enter(ctx, known)
	if err != nil {
		return people.Person{}, "", err
	}
	fits, err := func() (bool, error) { defer leave(); return matches(document, password) }()
	if err != nil {
		return people.Person{}, "", err
	}
	if why == "" && !fits {
		why = "wrong password"
	}
	return who, why, nil
}

// SetPassword sets the actor's own password (12 to 256 characters; not the
// name, not a common one). A *policy.Refusal says what is wrong with it.
func (p *Proofs) SetPassword(ctx context.Context, a people.Actor, password string) error {
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return err
	}
	if say := weak(password, who); say != "" {
		return &policy.Refusal{Rule: "weak-password", Say: say, Why: "password refused"}
	}
	if err := p.slow.enrols(string(a.Person)); err != nil {
		return err
	}
	leave, err := p.hashing.enter(ctx, true)
	if err != nil {
		return err
	}
	document, err := p.cost.hashPassword(password)
	leave()
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	sealed, err := p.box.Put(ctx, document)
	if err != nil {
		return fmt.Errorf("seal password: %w", err)
	}
	return p.roster.Enroll(ctx, a, people.Key{Kind: people.Password, ID: string(people.Password), Sealed: sealed})
}

// common are beginnings of what everybody tries first.
var common = []string{"password", "passwort", "123456", "qwerty", "qwertz", "letmein", "welcome", "willkommen", "changeme", "administrator", "iloveyou", "penstock", "correcthorsebatterystaple"}

func weak(password string, who people.Person) string {
	n := utf8.RuneCountInString(password)
	low := strings.ToLower(password)
	bare := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, low)
	switch {
	case !utf8.ValidString(password) || strings.IndexFunc(password, unicode.IsControl) >= 0:
		return "A password is text without control characters. Choose another one."
	case n < minPassword:
		return fmt.Sprintf("A password has at least %d characters; this one has %d. Four unrelated words are a good one.", minPassword, n)
	case n > maxPassword:
		return fmt.Sprintf("A password has at most %d characters.", maxPassword)
	case strings.Contains(low, string(who.ID)) && len(who.ID) > 3 || who.Name != "" && strings.Contains(low, strings.ToLower(who.Name)):
		return "Your name is in it. Choose one that has nothing to do with you."
	case slices.ContainsFunc(common, func(c string) bool { return strings.HasPrefix(bare, c) }):
		return "That is one of the first that a guesser tries. Four unrelated words are a good one."
	case different(password) < 5:
		return "It has too few different characters. Four unrelated words are a good one."
	}
	return ""
}

func different(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}
