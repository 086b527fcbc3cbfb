package recording

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"penstock/audit"
)

// FolderReport is what a check of one recording found. Hashes are those of the
// files as they lie there: the caller compares them with the log's
// (session.started: header and keys; session.ended: close).
type FolderReport struct {
	Header  Header
	Session audit.Hash    // of session.json
	Keys    audit.Hash    // of keys.age
	Close   audit.Hash    // of close.json; zero while there is none
	Closed  *Closed       // nil while there is none
	Files   []File        // as read, up to the first damage
	Opened  bool          // the seals were checked too, not only the chain
	Did     map[int]Tally // by channel, where the seals were opened: operations that an inspector saw

	Channels map[int]Carried // of which there are files

	Findings []error // *Damage, or io.ErrUnexpectedEOF wrapped for a torn tail
}

// Carried is what one channel's frames hold. In and Out are bytes from the vendor
// and to them, Passed those that an inspector made anew for the machine: known
// only where the seals were opened. Thin: parts of files stand there by their hash
// alone.
type Carried struct {
	Kind            string
	Frames          int
	In, Passed, Out int64
	Thin            bool
}

func (c *Carried) add(m Mark, data []byte) {
	switch m {
	case In:
		c.In += int64(len(data))
	case Passed:
		c.Passed += int64(len(data))
	case Out, Err:
		c.Out += int64(len(data))
	case Content:
		c.Thin = true
	}
}

// Whole says whether nothing was found.
func (r FolderReport) Whole() bool { return len(r.Findings) == 0 }

// VerifyFolder reads all of a recording: session.json against the hash in the
// log (zero: not compared), every frame's bounds, order and place in the hash
// chain, close.json against the files, and each of heads (lines of log/heads
// for this session) against the frame that it names. With the session's key
// also every seal, and that the data can be had. An error means that it could
// not be checked at all; what is wrong is in Findings.
func VerifyFolder(dir string, sessionJSON audit.Hash, key []byte, heads ...Head) (FolderReport, error) {
	v := &folderCheck{dir: dir, key: key, heads: map[string]map[uint64]Head{}}
	v.Opened = key != nil
	for _, h := range heads {
		if v.heads[h.File] == nil {
			v.heads[h.File] = map[uint64]Head{}
		}
		v.heads[h.File][h.Seq] = h
	}
	if err := v.frame(sessionJSON); err != nil {
		return v.FolderReport, err
	}
	c, err := listFolder(dir)
	if err != nil {
		return v.FolderReport, err
	}
	for _, d := range c.wrong {
		v.find(d)
	}
	if c.closed && c.reserve {
		v.find(&Damage{reserveFile, -1, "does not belong in a closed recording"})
	}
	if v.Closed != nil {
		for _, d := range compareNames(*v.Closed, c) {
			v.find(d)
		}
	}
	for _, ch := range c.channels {
		if err := v.channel(ch); err != nil {
			return v.FolderReport, err
		}
	}
	v.unmet()
	return v.FolderReport, nil
}

// folderCheck is one VerifyFolder at work.
type folderCheck struct {
	FolderReport
	dir   string
	key   []byte
	heads map[string]map[uint64]Head // not met yet
}

func (v *folderCheck) find(err error) { v.Findings = append(v.Findings, err) }

// note takes damage down as a finding; any other error could not be checked.
func (v *folderCheck) note(err error, file string) error {
	var d *Damage
	switch {
	case err == nil:
	case errors.As(err, &d) || errors.Is(err, io.ErrUnexpectedEOF):
		v.find(err)
	case errors.Is(err, fs.ErrNotExist):
		v.find(&Damage{file, -1, "is missing"})
	default:
		return err
	}
	return nil
}

// frame checks the three files around the frames.
func (v *folderCheck) frame(want audit.Hash) error {
	var err error
	v.Header, v.Session, err = readHeader(v.dir)
	if err := v.note(err, headerFile); err != nil {
		return err
	}
	if !want.IsZero() && v.Session != want {
		v.find(&Damage{headerFile, -1, "is not the one that the log names"})
	}
	keys, err := readBounded(filepath.Join(v.dir, keyFile), maxKeyFile)
	if err := v.note(err, keyFile); err != nil {
		return err
	}
	v.Keys = audit.HashOf(keys)
	closed, hash, err := readClosed(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	v.Close = hash
	if err != nil {
		return v.note(err, closeFile)
	}
	v.Closed = &closed
	if closed.Session != v.Header.Session || closed.Header != v.Session {
		v.find(&Damage{closeFile, -1, "closes another session, or session.json was changed"})
	}
	if closed.Keys != v.Keys {
		v.find(&Damage{keyFile, -1, "is not the one that close.json names"})
	}
	return nil
}

func (v *folderCheck) channel(c channelFiles) error {
	s, err := newScanner(v.dir, v.Session, c, v.key)
	if err != nil {
		return err
	}
	defer s.close()
	s.ended = func(f File) error {
		v.Files = append(v.Files, f)
		v.fits(f)
		return nil
	}
	var did tallier
	held := Carried{Kind: c.kind}
	defer func() {
		if v.Channels == nil {
			v.Channels = map[int]Carried{}
		}
		v.Channels[int(c.channel)] = held
		if did.any() {
			if v.Did == nil {
				v.Did = map[int]Tally{}
			}
			v.Did[int(c.channel)] = did.end()
		}
	}()
	for {
		h, data, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err == nil && v.key != nil && h.mark == Did {
			if err := did.add(data); err != nil {
				v.find(&Damage{s.at.File, s.at.Bytes, err.Error()})
			}
		}
		if err != nil {
			if s.at.Frames > 0 {
				v.Files = append(v.Files, s.at)
			}
			return v.note(err, s.name(max(s.number, 0)))
		}
		held.Frames++
		held.add(h.mark, data)
		v.meet(s)
	}
}

// fits compares a file that was read to its end with close.json.
func (v *folderCheck) fits(have File) {
	if v.Closed == nil {
		return
	}
	i := slices.IndexFunc(v.Closed.Files, func(f File) bool { return f.File == have.File })
	if i < 0 {
		return // compareNames has said so
	}
	want := v.Closed.Files[i]
	if want.Damaged != "" {
		v.find(&Damage{have.File, -1, "was found damaged after a crash: " + want.Damaged})
	} else if have != want {
		v.find(&Damage{have.File, have.Bytes, fmt.Sprintf("ends after %d bytes and %d frames; it was closed with %d bytes and %d frames, or another last hash", have.Bytes, have.Frames, want.Bytes, want.Frames)})
	}
}

// meet compares the frame that was just read with the head line that names it.
func (v *folderCheck) meet(s *scanner) {
	h, ok := v.heads[s.at.File][s.seq-1]
	if !ok {
		return
	}
	delete(v.heads[s.at.File], s.seq-1)
	if h.Head != s.at.Head || h.Bytes != s.at.Bytes {
		v.find(&Damage{s.at.File, s.at.Bytes, fmt.Sprintf("frame %d is not the one that log/heads names", h.Seq)})
	}
}

func missing(n int, first uint64) string {
	if n == 1 {
		return fmt.Sprintf("frame %d, which log/heads names, is not there", first)
	}
	return fmt.Sprintf("%d frames that log/heads names are not there, the first is %d", n, first)
}

// unmet tells of heads whose frames were not found: cut away, or behind damage.
func (v *folderCheck) unmet() {
	for file, left := range v.heads {
		if len(left) == 0 {
			continue
		}
		first := uint64(1<<64 - 1)
		for seq := range left {
			first = min(first, seq)
		}
		v.find(&Damage{file, -1, missing(len(left), first)})
	}
	slices.SortStableFunc(v.Findings, func(a, b error) int { return cmp.Compare(damagedFile(a), damagedFile(b)) })
}

func damagedFile(err error) string {
	var d *Damage
	if errors.As(err, &d) {
		return d.File
	}
	return ""
}
