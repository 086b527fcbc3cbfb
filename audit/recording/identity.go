package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	maxIdentity = 64 << 10
	maxScrypt   = 22 // log2 of the work that a passphrase file may ask for; age's own default for files from people
)

// CheckRecipient says why session keys cannot be wrapped to this line, nil if
// they can: "age1…". Its errors quote nothing of the line, which may be a
// secret pasted in the wrong place.
func CheckRecipient(line string) error {
	switch {
	case strings.Contains(strings.ToUpper(line), "AGE-SECRET-KEY-"):
		return errors.New("this is a secret key: it belongs to the auditor alone. Make a new pair, and give the line that begins with age1")
	case !strings.HasPrefix(line, "age1") || strings.ContainsAny(line, "\r\n"):
		return errors.New("no age recipient: one line that begins with age1, as age-keygen -y prints it")
	}
	to, err := age.ParseRecipients(strings.NewReader(line))
	if err != nil || len(to) != 1 {
		return errors.New("no age recipient: one line that begins with age1, as age-keygen -y prints it")
	}
	return nil
}

// CheckRecipients says whether one session key can be wrapped to all of them:
// post-quantum recipients do not mix with others.
func CheckRecipients(lines []string) error {
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return errors.New("one of the recipients is none")
	}
	if _, err := age.Encrypt(io.Discard, to...); err != nil {
		return fmt.Errorf("these keys cannot be used together: %w", err)
	}
	return nil
}

// IdentityText gives the text of an identity file as it came, or, if it is an age
// file itself, protected by a passphrase (scrypt), what is in it. ask is called
// at most once, and for such files only. Errors quote nothing of it.
func IdentityText(file []byte, ask func() (string, error)) (string, error) {
	var in io.Reader = bytes.NewReader(file)
	switch trimmed := bytes.TrimLeft(file, " \t\r\n"); {
	case bytes.HasPrefix(trimmed, []byte(armor.Header)):
		in = armor.NewReader(bytes.NewReader(trimmed))
	case !bytes.HasPrefix(file, []byte("age-encryption.org/")):
		return string(file), nil
	}
	if ask == nil {
		return "", errors.New("the identity is protected by a passphrase, and there is nobody to ask for it")
	}
	words, err := ask()
	if err != nil {
		return "", err
	}
	id, err := age.NewScryptIdentity(words)
	if err != nil {
		return "", errors.New("no passphrase was given")
	}
	id.SetMaxWorkFactor(maxScrypt)
	plain, err := age.Decrypt(in, id)
	if err != nil {
		return "", errors.New("the identity does not open with this passphrase")
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxIdentity+1))
	if err != nil || len(text) > maxIdentity {
		return "", errors.New("the identity behind the passphrase cannot be read")
	}
	return string(text), nil
}

// Identities parses the text of an identity file. Its error quotes nothing of it.
func Identities(text string) ([]age.Identity, error) {
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil {
		return nil, errors.New("holds no age identity (AGE-SECRET-KEY-1…), as age-keygen makes it")
	}
	return ids, nil
}
