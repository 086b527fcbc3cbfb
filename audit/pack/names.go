package pack

import (
	"regexp"
	"strings"
	"time"

	"penstock/audit"
)

// Names in a pack.
const (
	manifestName   = "manifest.json"
	htmlName       = "index.html"
	textName       = "index.txt"
	keyName        = "log/log.pub"
	checkpointName = "log/checkpoint"
	proofsName     = "log/events.tlog-proofs"
	headsFolder    = "log/heads/"
	outsideFolder  = "log/outside/"
	documentFolder = "documents/"
	recordings     = "recordings/"
	exports        = "exports/"
)

// known is every name that a pack may hold; none leads out of its folder.
var known = regexp.MustCompile(`^(manifest\.json|index\.html|index\.txt|log/log\.pub|log/checkpoint|log/events\.tlog-proofs` +
	`|log/heads/[0-9]{4}-[0-9]{2}\.txt\.[0-9]{1,18}|log/outside/[a-z][a-z0-9-]{0,31}\.[0-9]{1,16}\.(checkpoint|consistency)` +
	`|documents/[0-9a-f]{64}` +
	`|recordings/[A-Za-z0-9][A-Za-z0-9-]{0,63}/(session\.json|keys\.age|close\.json|c[0-9]{2,5}-[a-z][a-z0-9-]{0,31}\.[0-9]{3,8}\.brf)` +
	`|exports/[A-Za-z0-9][A-Za-z0-9-]{0,63}/c[0-9]{2,5}-[a-z][a-z0-9-]{0,31}\.(txt|pcapng))$`)

// manifest names every other file of a pack; it is the last one in it.
type manifest struct {
	V       int         `json:"v"` // 1
	Kind    string      `json:"kind"`
	Window  string      `json:"window"`
	Origin  string      `json:"origin"`
	Size    audit.Index `json:"size"` // leaves under the checkpoint
	Root    audit.Hash  `json:"root"`
	Made    time.Time   `json:"made"` // wall of the last leaf under it, in seconds: the time of every file in the pack
	Exports bool        `json:"exports"`
	Left    []string    `json:"left_out"` // recordings that the folder did not have
	Files   []file      `json:"files"`
}

type file struct {
	Name   string     `json:"name"`
	Bytes  int64      `json:"bytes"`
	SHA256 audit.Hash `json:"sha256"`
}

const kind = "penstock-evidence"

func documentName(h audit.Hash) string {
	return documentFolder + strings.TrimPrefix(h.String(), "sha256:")
}
