package receipt

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"penstock/audit"
)

// Log is the part of a running log that receipts come from.
type Log interface {
	Size() audit.Index
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
	Leaf(context.Context, audit.Place) (audit.Leaf, error) // fs.ErrNotExist
	Node() string
	Checkpoint() []byte // the newest signed note; it covers every leaf that can be read
}

// Signer signs receipts. Safe for concurrent use.
type Signer struct {
	signer jose.Signer
	public jose.JSONWebKey
	name   string // the public key as node.started has it
	set    []byte // receipt.pub
}

func newSigner(private ed25519.PrivateKey) (*Signer, error) {
	raw := private.Public().(ed25519.PublicKey)
	public, err := publicKey(raw)
	if err != nil {
		return nil, err
	}
	options := (&jose.SignerOptions{}).WithType(typ).WithHeader("kid", public.KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, options)
	if err != nil {
		return nil, fmt.Errorf("make the signer of receipts: %w", err)
	}
	return &Signer{signer: signer, public: public, name: base64.RawURLEncoding.EncodeToString(raw)}, nil
}

// Name is the public key as audit.NodeStarted names it.
func (s *Signer) Name() string { return s.name }

// Set is the JWK set (RFC 7517) of the key in use and those before it.
func (s *Signer) Set() []byte { return s.set }

// ErrNotTheirs is the answer to somebody who asks for a receipt of a leaf that
// another made, or of an event for which there are none.
var ErrNotTheirs = errors.New("there is no receipt of that for this person")

// Sign gives a receipt of leaf to the person who made it.
func (s *Signer) Sign(l Log, plant string, leaf audit.Leaf, person string) (string, error) {
	document, ok := Of(leaf.Body)
	if !ok || leaf.Actor != person || person == "" {
		return "", ErrNotTheirs
	}
	// Only ourselves wrote this note, and the verifier checks what it says.
	origin, size, root, err := head(l.Checkpoint())
	if err != nil || size <= leaf.Index {
		return "", fmt.Errorf("receipt of leaf %s: no checkpoint covers it: %w", leaf.Place(), errors.Join(err))
	}
	payload, err := audit.Canonical(Claims{V: 1, Plant: plant, Log: origin, Node: leaf.Node, Index: leaf.Index, Leaf: leaf.Hash,
		Type: leaf.Body.Type(), Subject: leaf.Subject, Person: person, Document: document, At: leaf.Wall, Size: size, Root: root})
	if err != nil {
		return "", fmt.Errorf("write a receipt: %w", err)
	}
	signed, err := s.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign a receipt: %w", err)
	}
	return signed.CompactSerialize()
}

// Desk gives receipts from a running log. Safe for concurrent use.
type Desk struct {
	*Signer
	Log   Log
	Plant func() string // site id
}

// Mark is the log's end, to be taken before a person does something: see Since.
func (d *Desk) Mark() audit.Index { return d.Log.Size() }

// most leaves are looked at to find what somebody has just done.
const most = 10_000

// Since gives a receipt of the newest leaf from an index on that the person
// made, and that leaf's index; "" where there is none.
func (d *Desk) Since(ctx context.Context, from audit.Index, person string) (string, audit.Index, error) {
	var newest audit.Leaf
	seen := 0
	for leaf, err := range d.Log.Upto(ctx, from) {
		if err != nil {
			return "", 0, fmt.Errorf("look for what to receipt: %w", err)
		}
		if _, ok := Of(leaf.Body); ok && leaf.Actor == person {
			newest = leaf
		}
		if seen++; seen == most {
			break
		}
	}
	if newest.Body == nil {
		return "", 0, nil
	}
	text, err := d.Sign(d.Log, d.Plant(), newest, person)
	return text, newest.Index, err
}

// Again gives the receipt of one leaf to the person who made it. ErrNotTheirs
// also where there is no such leaf: somebody else's is as absent.
func (d *Desk) Again(ctx context.Context, at audit.Index, person string) (string, error) {
	leaf, err := d.Log.Leaf(ctx, audit.Place{Node: d.Log.Node(), Index: at})
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNotTheirs
	}
	if err != nil {
		return "", err
	}
	return d.Sign(d.Log, d.Plant(), leaf, person)
}

// head reads size and root of a checkpoint's text.
func head(note []byte) (origin string, size audit.Index, root audit.Hash, err error) {
	lines := strings.SplitN(string(note), "\n", 4)
	if len(lines) < 4 {
		return "", 0, root, errors.New("there is no checkpoint")
	}
	if _, err := fmt.Sscan(lines[1], &size); err != nil {
		return "", 0, root, fmt.Errorf("the checkpoint's size: %w", err)
	}
	b, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(b) != len(root) {
		return "", 0, root, errors.New("the checkpoint has no root")
	}
	copy(root[:], b)
	return lines[0], size, root, nil
}
