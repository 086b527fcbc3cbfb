package web

import (
	"penstock/audit"
	"penstock/policy"
)

// EventLine is one leaf in words.
type EventLine struct {
	Index              int64
	At                 stamp
	Type, Subject, Who string
	Says               string
	Weight             string // "", moved, refused: how it is marked
	Hash               string
	In                 bool // a file that went to the machine
}

// event is a leaf for a person.
func (v *visit) event(leaf audit.Leaf, n roll) EventLine {
	who := "Penstock"
	if leaf.Actor != "penstock" && leaf.Actor != "" {
		who = n.person(policy.PersonID(leaf.Actor))
	}
	says, weight := v.sentence(leaf.Body, n)
	file, _ := leaf.Body.(audit.FileTransferred)
	return EventLine{Index: int64(leaf.Index), At: v.at(leaf.Wall), Type: leaf.Body.Type(), Subject: leaf.Subject, Who: who, Says: says, Weight: weight, Hash: leaf.Hash.String(), In: file.Direction == "in"}
}

// sentence says what happened; an event that this build does not know is its type's name.
func (v *visit) sentence(body audit.Body, n roll) (says, weight string) {
	for _, words := range []func(audit.Body, roll) (says, weight string){
		v.requestSentence, v.windowSentence, v.peopleSentence, v.sessionSentence, v.recordSentence, v.reviewSentence,
		v.plantSentence, secretSentence, hostKeySentence, worstNightSentence, v.nodeSentence,
	} {
		if says, weight = words(body, n); says != "" {
			return says, weight
		}
	}
	return body.Type(), ""
}

// marked is the weight of what can turn out well or not.
func marked(well bool) string {
	if well {
		return "moved"
	}
	return "refused"
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
