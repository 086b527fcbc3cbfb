package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a log's signed note says (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   Index
	Root   Hash   // RFC 6962 root of the first Size leaves
	Note   []byte // the signed note itself, with all signature lines
}

// maxNote bounds a checkpoint: three lines and a few dozen signatures.
const maxNote = 64 << 10

// signCheckpoint makes the note of a tree.
func signCheckpoint(s note.Signer, origin string, size int64, root tlog.Hash) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)}, s)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of size %d: %w", size, err)
	}
	return b, nil
}

// ParseCheckpoint reads a signed note and checks the signature of v, whose
// name is the origin; lines of other keys (witnesses) are left alone.
func ParseCheckpoint(b []byte, v note.Verifier) (Checkpoint, error) {
	if len(b) > maxNote {
		return Checkpoint{}, fmt.Errorf("checkpoint: more than %d bytes", maxNote)
	}
	n, err := note.Open(b, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpointText(n.Text)
	if err == nil {
		err = strictSignatures(b[len(n.Text):])
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Origin != v.Name() {
		return Checkpoint{}, fmt.Errorf("checkpoint: origin %q, and the key is %q's", c.Origin, v.Name())
	}
	c.Note = b
	return c, nil
}

// ReadCheckpoint reads what a note says and checks no signature: for showing,
// never for deciding.
func ReadCheckpoint(b []byte) (Checkpoint, error) {
	if len(b) > maxNote {
		return Checkpoint{}, fmt.Errorf("checkpoint: more than %d bytes", maxNote)
	}
	text, err := noteText(b)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := parseCheckpointText(text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	c.Note = b
	return c, nil
}

// strictSignatures refuses base64 with bits that say nothing: package note
// reads over them, and each byte of a checkpoint shall count.
func strictSignatures(b []byte) error {
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if _, err := base64.StdEncoding.Strict().DecodeString(fields[len(fields)-1]); err != nil {
			return fmt.Errorf("a signature line: %w", err)
		}
	}
	return nil
}

// parseCheckpointText: origin, size, root, and any number of extension lines
// that are not empty.
func parseCheckpointText(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return c, errors.New("fewer than three lines")
	}
	for _, l := range lines[:len(lines)-1] {
		if l == "" {
			return c, errors.New("an empty line in the text")
		}
	}
	size, err := strconv.ParseUint(lines[1], 10, 53)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return c, errors.New("the size is no decimal number below 2^53")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, errors.New("the root is not 32 bytes in base64")
	}
	c.Origin, c.Size = lines[0], Index(size)
	copy(c.Root[:], root)
	return c, nil
}

func (c Checkpoint) root() tlog.Hash { return tlog.Hash(c.Root) }
