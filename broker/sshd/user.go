package sshd

import (
	"errors"
	"strings"

	"penstock/policy"
)

// doorway is which of the ways in a user name asks for.
type doorway int

const (
	wayJoin   doorway = iota + 1 // join: bring a key under an invitation
	wayDesk                      // desk: verbs
	wayCert                      // cert: the certificate
	wayDirect                    // person+account+asset
	wayJump                      // person: the outer side of a jump
	wayAgent                     // agent: a zone's own, which dials out
)

// userName is a parsed SSH user name (DESIGN 5.1).
type userName struct {
	way     doorway
	person  policy.PersonID
	account policy.AccountName
	asset   policy.AssetName
}

var errUserName = errors.New("the user name is not join, desk, cert, PERSON or PERSON+ACCOUNT+ASSET")

// parseUser: the account is what lies between the first and the last "+".
func parseUser(s string) (userName, error) {
	switch s {
	case "join":
		return userName{way: wayJoin}, nil
	case "desk":
		return userName{way: wayDesk}, nil
	case "cert":
		return userName{way: wayCert}, nil
	case "agent":
		return userName{way: wayAgent}, nil
	}
	first, last := strings.IndexByte(s, '+'), strings.LastIndexByte(s, '+')
	if first < 0 {
		if !policy.ValidID(s) {
			return userName{}, errUserName
		}
		return userName{way: wayJump, person: policy.PersonID(s)}, nil
	}
	if first == last {
		return userName{}, errUserName
	}
	person, account, asset := s[:first], s[first+1:last], s[last+1:]
	if !policy.ValidID(person) || reserved(person) || !validAccount(account) || !policy.ValidID(asset) {
		return userName{}, errUserName
	}
	return userName{way: wayDirect, person: policy.PersonID(person), account: policy.AccountName(account), asset: policy.AssetName(asset)}, nil
}

func reserved(s string) bool { return s == "join" || s == "desk" || s == "cert" || s == "agent" }

// validAccount: printable ASCII without blanks; which ones there are, the plant file says.
func validAccount(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
