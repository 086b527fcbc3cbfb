package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"

	"penstock/policy"
)

// challenges are those of sign-ins by a passkey, which are handed out to whoever
// asks. Each says itself until when it is good, sealed by a key of this process:
// nothing is kept for who asks, so nobody pushes out anybody's. What is kept are
// the few that somebody has signed in with, so that each is good once.
type challenges struct {
	mu   sync.Mutex
	key  []byte
	used map[string]signedIn // by challenge
}

type signedIn struct {
	person policy.PersonID
	until  time.Time
}

const (
	challengeHead = 16 + 8 // random bytes; until, in nanoseconds since 1970
	signInsOne    = 60     // of one person in ceremonyLife
)

func newChallenges() *challenges {
	c := &challenges{key: make([]byte, sha256.Size), used: map[string]signedIn{}}
	rand.Read(c.key) // never fails
	return c
}

func (c *challenges) seal(head []byte) []byte {
	m := hmac.New(sha256.New, c.key)
	m.Write(head)
	return m.Sum(nil)
}

// next is a new one.
func (c *challenges) next(until time.Time) []byte {
	b := make([]byte, challengeHead)
	rand.Read(b[:16]) // never fails
	binary.BigEndian.PutUint64(b[16:], uint64(until.UnixNano()))
	return append(b, c.seal(b)...)
}

// given says whether this process gave it, and it is not too late.
func (c *challenges) given(b []byte, now time.Time) bool {
	return len(b) == challengeHead+sha256.Size && hmac.Equal(b[challengeHead:], c.seal(b[:challengeHead])) && now.Before(untilOf(b))
}

func untilOf(b []byte) time.Time { return time.Unix(0, int64(binary.BigEndian.Uint64(b[16:]))) }

// spend takes one that was given, over which a person's signature holds. Not
// empty: why it is not taken.
func (c *challenges) spend(b []byte, person policy.PersonID, now time.Time) (why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := 0
	for k, v := range c.used {
		switch {
		case !now.Before(v.until):
			delete(c.used, k)
		case v.person == person:
			own++
		}
	}
	id := hex.EncodeToString(b[:16])
	switch _, again := c.used[id]; {
	case again:
		return "a passkey over a challenge that was used"
	case own >= signInsOne:
		return "too many sign-ins of one person"
	}
	c.used[id] = signedIn{person, untilOf(b)}
	return ""
}
