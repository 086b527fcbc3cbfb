package audit

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// NoteField marks a checkpoint inside a line of other text, such as a syslog
// message or a receipt: the whole note in base64 follows it.
const NoteField = "note="

// maxFound bounds the notes that FindNotes takes out of one file.
const maxFound = 1 << 20

// FindNotes takes signed notes out of what a place outside gave back: the note
// itself, lines of a syslog server's file, receipts. It believes none of them:
// ParseCheckpoint does the judging. Each is given once, in the order of the file.
func FindNotes(b []byte) [][]byte {
	if bytes.Contains(b, []byte("\n\n— ")) && !bytes.Contains(b, []byte(NoteField)) {
		return [][]byte{b}
	}
	var all [][]byte
	seen := map[Hash]bool{}
	for line := range bytes.Lines(b) {
		for rest := string(line); len(all) < maxFound; {
			_, after, ok := strings.Cut(rest, NoteField)
			if !ok {
				break
			}
			rest = after
			end := strings.IndexFunc(after, func(r rune) bool { return !base64Rune(r) })
			if end < 0 {
				end = len(after)
			}
			n, err := base64.StdEncoding.Strict().DecodeString(after[:end])
			if err != nil || len(n) == 0 || len(n) > maxNote || seen[HashOf(n)] {
				continue
			}
			seen[HashOf(n)] = true
			all = append(all, n)
		}
	}
	return all
}

func base64Rune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '+' || r == '/' || r == '='
}

// NoteText is a note as NoteField and base64: one word without spaces.
func NoteText(b []byte) string { return NoteField + base64.StdEncoding.EncodeToString(b) }
