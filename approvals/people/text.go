package people

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"penstock/policy"
)

// Bounds of what people write.
const (
	maxName     = 80 // runes
	maxWhy      = 300
	maxRoles    = 16
	maxRole     = 40 // bytes
	maxNetworks = 32
	maxSource   = 120 // runes
)

// checkText refuses text that could look like something else where it is shown:
// control characters, those that turn the direction of writing, and invisible ones.
func checkText(what, s string, most int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not UTF-8", what)
	}
	if n := utf8.RuneCountInString(s); n > most {
		return fmt.Errorf("%s has %d characters; %d are the most", what, n, most)
	}
	for i, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s holds U+%04X at byte %d, which cannot be shown", what, r, i)
		}
	}
	return nil
}

func checkName(what, s string) error {
	if strings.TrimSpace(s) != s || s == "" {
		return fmt.Errorf("%s is empty, or has spaces around it", what)
	}
	return checkText(what, s, maxName)
}

// cleanPhone is a number as it is kept: "+", country and number, 7 to 15 digits
// (ITU-T E.164), without what people write between them. Empty stays empty.
func cleanPhone(s string) (string, error) {
	if len(s) > 40 {
		return "", fmt.Errorf("the phone number has %d characters; write it as +49 431 555 0121", len(s))
	}
	number := strings.NewReplacer(" ", "", "-", "", "/", "", "(", "", ")", "", ".", "").Replace(s)
	digits, plus := strings.CutPrefix(number, "+")
	bad := !plus || len(digits) < 7 || len(digits) > 15 || digits[0] == '0' ||
		strings.ContainsFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if s != "" && bad {
		return "", fmt.Errorf("%.40q is no phone number with its country; write it as +49 431 555 0121", s)
	}
	return number, nil
}

func checkRoles(roles []policy.Role, known func(policy.Role) bool) error {
	if len(roles) > maxRoles {
		return fmt.Errorf("%d roles; %d are the most", len(roles), maxRoles)
	}
	seen := map[policy.Role]bool{}
	for _, r := range roles {
		switch {
		case len(r) > maxRole || checkName("a role", string(r)) != nil:
			return fmt.Errorf("%.60q is no role", r)
		case known != nil && !known(r):
			return fmt.Errorf("the plant file knows no team %q", r)
		case seen[r]:
			return fmt.Errorf("role %q is given twice", r)
		}
		seen[r] = true
	}
	return nil
}

// maxMail bounds an address (RFC 5321 4.5.3.1.3 has 256 with its brackets).
const maxMail = 254

// cleanMail is an address as it is kept: a mailbox alone, without a name, in
// ASCII. Empty is nobody's.
func cleanMail(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s || len(s) > maxMail {
		return "", fmt.Errorf("%.60q is no mailbox; write it as mia@kiel.example", s)
	}
	for _, c := range s {
		if c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' {
			return "", fmt.Errorf("%.60q has a character that letters go astray by", s)
		}
	}
	return s, nil
}
