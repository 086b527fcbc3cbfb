package pack

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/verify"
)

// Bounds of what is read into memory.
const (
	maxDirectory = 256 << 20 // the zip's list of files
	maxManifest  = 256 << 20
	maxSmall     = 64 << 10
	maxIndex     = 256 << 20
)

// checker is one Check at work.
type checker struct {
	ctx    context.Context
	trust  verify.Trust
	name   string // of the pack
	zip    *zip.Reader
	size   int64
	from   io.ReaderAt
	files  map[string]*zip.File
	m      manifest
	head   audit.Checkpoint
	report verify.Report
	told   map[string]bool
	tell   func(done, all int64)
	done   int64

	revs     map[string]uint64
	sessions map[string]*held
	order    []*held
}

// Check checks a pack: the file byte for byte against the one form that Write
// gives it, each leaf's proof, each document and recording by the hashes in the
// leaves, and by story (which must tell the window that the pack names) the
// window itself, and that its pages say what the leaves say. An error means
// that it could not be checked; what is wrong is in the report.
func Check(ctx context.Context, path string, t verify.Trust, story func(docs Documents, window string) Story, progress func(done, all int64)) (verify.Report, Story, error) {
	f, err := os.Open(path)
	if err != nil {
		return verify.Report{}, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return verify.Report{}, nil, err
	}
	c := &checker{ctx: ctx, trust: t, name: "the pack", from: f, size: info.Size(), files: map[string]*zip.File{}, told: map[string]bool{}, tell: progress,
		report: verify.Report{Findings: []verify.Finding{}, Stretches: []verify.Stretch{}}, revs: map[string]uint64{}, sessions: map[string]*held{}}
	s, err := c.run(story)
	if err != nil {
		return verify.Report{}, nil, fmt.Errorf("check %s: %w", path, err)
	}
	return c.report, s, nil
}

func (c *checker) find(w verify.Weight, where, format string, args ...any) {
	c.report.Findings = append(c.report.Findings, verify.Finding{Weight: w, Where: where, What: fmt.Sprintf(format, args...)})
	if w == verify.Wrong {
		c.told[where] = true
	}
}

func (c *checker) wrong(where, format string, args ...any) {
	c.find(verify.Wrong, where, format, args...)
}
func (c *checker) note(where, format string, args ...any) {
	c.find(verify.Note, where, format, args...)
}

// run stops early where what is left could not be understood.
func (c *checker) run(story func(Documents, string) Story) (Story, error) {
	if !c.open() || !c.manifest() {
		return nil, nil
	}
	if err := c.sums(); err != nil {
		return nil, err
	}
	c.container()
	v, err := c.key()
	if err != nil || v == nil {
		return nil, err
	}
	if !c.checkpoint(v) {
		return nil, nil
	}
	s := story(inPack{c}, c.m.Window)
	c.events(v, s)
	c.outside(v)
	if err := c.recordings(); err != nil {
		return nil, err
	}
	c.pages(s)
	c.documents()
	c.note("the pack", "shows what is in it: that no session with its recording, finding, refusal or file was left out, and nothing newer about a person, a key or a block, only the whole log shows (penstock-verify DATA), or its evidence.delivered, which names the SHA-256 of the file that went out")
	return s, nil
}

// open reads the zip's list of files, and refuses every file that no pack has:
// names that lead elsewhere, names twice, compressed files (a bomb has to be one).
func (c *checker) open() bool {
	if err := c.bounded(); err != nil {
		c.wrong(c.name, "%v", err)
		return false
	}
	z, err := zip.NewReader(c.from, c.size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		c.wrong(c.name, "is no whole zip file: %v", err)
		return false
	}
	c.zip = z
	good := true
	for _, f := range z.File {
		switch {
		case !known.MatchString(f.Name):
			c.wrong(show(f.Name), "does not belong in a pack")
			good = false
		case c.files[f.Name] != nil:
			c.wrong(f.Name, "stands in the pack twice")
			good = false
		case f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 || f.Mode()&fs.ModeType != 0:
			c.wrong(f.Name, "is not a plain file, stored as it is")
			good = false
		}
		c.files[f.Name] = f
	}
	return good
}

// show quotes a name that no pack has.
func show(name string) string {
	if known.MatchString(name) {
		return name
	}
	return strings.ToValidUTF8(fmt.Sprintf("%.100q", name), "?")
}

// bounded looks at the end of the file (APPNOTE 4.3.16): no comment, and a list
// of files that memory has room for.
func (c *checker) bounded() error {
	const end = 22
	var b [end]byte
	if c.size < end {
		return errors.New("is no zip file")
	}
	if _, err := c.from.ReadAt(b[:], c.size-end); err != nil {
		return err
	}
	if string(b[:4]) != "PK\x05\x06" {
		return errors.New("is no zip file, was cut, or something was put behind its end")
	}
	n := uint64(binary.LittleEndian.Uint32(b[12:]))
	if n == 1<<32-1 { // 4.3.14: the record before says it in 64 bits
		var long [56]byte
		if c.size < end+20+56 {
			return errors.New("is no whole zip file")
		}
		if _, err := c.from.ReadAt(long[:], c.size-end-20-56); err != nil {
			return err
		}
		n = binary.LittleEndian.Uint64(long[40:])
	}
	if n > maxDirectory {
		return fmt.Errorf("lists files in %d bytes, more than %d", n, maxDirectory)
	}
	return nil
}

// raw is a file's bytes as they stand; the manifest says more than a CRC.
func (c *checker) raw(name string) (io.Reader, error) {
	f := c.files[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return f.OpenRaw()
}

func (c *checker) read(name string, most int64) ([]byte, error) {
	r, err := c.raw(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("is larger than %d bytes", most)
	}
	return b, err
}

func (c *checker) small(name string) ([]byte, error) { return c.read(name, maxSmall) }

func (c *checker) manifest() bool {
	b, err := c.read(manifestName, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		c.wrong(manifestName, "is missing: this is no evidence pack, or was taken apart")
		return false
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		err = d.Decode(&c.m)
	}
	if err == nil {
		again, cerr := audit.Canonical(c.m)
		if cerr != nil || !bytes.Equal(again, b) {
			err = errors.New("it is not in its one form")
		}
	}
	if err == nil && crc32.ChecksumIEEE(b) != c.files[manifestName].CRC32 {
		err = errors.New("it has another checksum than the zip file says")
	}
	if err == nil && (c.m.V != 1 || c.m.Kind != kind) {
		err = fmt.Errorf("version %d of %.40q is not known here", c.m.V, c.m.Kind)
	}
	if err != nil {
		c.wrong(manifestName, "cannot be read: %v", err)
		return false
	}
	return true
}

// sums holds every file to the manifest, and the manifest to the files. The
// manifest is signed by nobody: it names what was altered, and proves nothing.
func (c *checker) sums() error {
	listed := map[string]bool{}
	for _, f := range c.m.Files {
		if listed[f.Name] {
			c.wrong(manifestName, "names %s twice", show(f.Name))
		}
		listed[f.Name] = true
		r, err := c.raw(f.Name)
		if errors.Is(err, fs.ErrNotExist) {
			c.wrong(show(f.Name), "is missing, and manifest.json names it")
			continue
		}
		sum := sha256.New()
		var n int64
		if err == nil {
			n, err = io.Copy(io.MultiWriter(sum, counting{c}), r)
		}
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if err != nil {
			c.wrong(f.Name, "cannot be read: %v", err)
		} else if n != f.Bytes || audit.Hash(sum.Sum(nil)) != f.SHA256 {
			c.wrong(f.Name, "is not the file that manifest.json names")
		}
	}
	for _, f := range c.zip.File {
		if !listed[f.Name] && f.Name != manifestName {
			c.wrong(f.Name, "was added: the manifest does not name it")
		}
	}
	return nil
}

// counting tells the progress.
type counting struct{ c *checker }

func (w counting) Write(b []byte) (int, error) {
	w.c.done += int64(len(b))
	if w.c.tell != nil {
		w.c.tell(min(w.c.done, w.c.size), w.c.size)
	}
	return len(b), w.c.ctx.Err()
}

// container writes the zip anew and compares: what stands around the files
// (headers, lists, gaps) has one form, and each byte of it counts.
func (c *checker) container() {
	if len(c.told) > 0 {
		return // the byte is named already
	}
	same := &comparing{from: c.from}
	z := zip.NewWriter(same)
	where := c.name
	err := func() error {
		for _, f := range c.zip.File {
			where = f.Name
			w, err := create(z, f.Name, c.m.Made)
			if err != nil {
				return err
			}
			r, err := f.OpenRaw()
			if err != nil {
				return err
			}
			if _, err := io.Copy(w, r); err != nil {
				return err
			}
		}
		where = "the list of files at its end"
		return z.Close()
	}()
	if err == nil && same.at != c.size {
		err = fmt.Errorf("%d bytes stand behind its end", c.size-same.at)
	}
	if err != nil {
		c.wrong(c.name, "around %s: %v", where, err)
	}
}

// comparing fails at the first byte that differs.
type comparing struct {
	from io.ReaderAt
	at   int64
	buf  []byte
}

func (w *comparing) Write(b []byte) (int, error) {
	w.buf = slices.Grow(w.buf[:0], len(b))[:len(b)]
	n, err := w.from.ReadAt(w.buf, w.at)
	if err != nil && err != io.EOF {
		return 0, err
	}
	for i := range b {
		if i >= n || b[i] != w.buf[i] {
			return 0, fmt.Errorf("byte %d is not as it was written", w.at+int64(i))
		}
	}
	w.at += int64(len(b))
	return len(b), nil
}

// key is the one given, else the pack's own, which is said.
func (c *checker) key() (note.Verifier, error) {
	own, err := c.small(keyName)
	if err != nil {
		c.wrong(keyName, "cannot be read: %v", err)
	}
	text := strings.TrimSpace(c.trust.LogKey)
	if text == "" {
		v, err := note.NewVerifier(strings.TrimSpace(string(own)))
		if err != nil {
			c.wrong(keyName, "is no verifier key: %v", err)
			return nil, nil
		}
		c.note(keyName, "the log's key came from the pack itself: compare it with one from elsewhere (--key), or a pack made up by anybody would look the same")
		return v, nil
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the log's key as given: %w", err)
	}
	if string(own) != text+"\n" {
		c.wrong(keyName, "is not the key that was given: this pack is of another log, or its key was exchanged")
	}
	return v, nil
}

func (c *checker) checkpoint(v note.Verifier) bool {
	b, err := c.small(checkpointName)
	if err == nil {
		c.head, err = audit.ParseCheckpoint(b, v)
	}
	if err != nil {
		c.wrong(checkpointName, "%v", err)
		return false
	}
	c.report.Origin, c.report.Size, c.report.Root = c.head.Origin, c.head.Size, c.head.Root
	if c.m.Origin != c.head.Origin || c.m.Size != c.head.Size || c.m.Root != c.head.Root {
		c.wrong(manifestName, "names another checkpoint than the one in the pack")
	}
	return true
}

// pages are made anew: what people read is what the leaves say.
func (c *checker) pages(s Story) {
	for name, render := range map[string]func(io.Writer) error{htmlName: s.HTML, textName: s.Text} {
		var want bytes.Buffer
		have, err := c.read(name, maxIndex)
		if err == nil {
			err = render(&want)
		}
		if err != nil {
			c.wrong(name, "cannot be compared: %v", err)
		} else if !bytes.Equal(want.Bytes(), have) {
			c.wrong(name, "does not say what the events in the pack say (or was made by another version of Penstock): read the events")
		}
	}
}

// documents: each is the one that its name says.
func (c *checker) documents() {
	for _, f := range c.m.Files {
		digits, ok := strings.CutPrefix(f.Name, documentFolder)
		if !ok {
			continue
		}
		c.report.Documents++
		if f.SHA256.String() != "sha256:"+digits {
			c.wrong(f.Name, "holds other bytes than its name says")
		}
	}
}

// inPack reads documents out of the pack.
type inPack struct{ c *checker }

func (d inPack) Get(ctx context.Context, h audit.Hash) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	b, err := d.c.read(documentName(h), audit.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", h, err)
	}
	if audit.HashOf(b) != h {
		return nil, fmt.Errorf("document %s: holds other bytes than the log names", h)
	}
	return b, nil
}
