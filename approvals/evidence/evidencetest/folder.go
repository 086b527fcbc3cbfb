package evidencetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

// Folder is a data folder that real parts have written.
type Folder struct {
	Dir        string
	Key        string // the log's verifier key
	Checkpoint []byte // the newest
}

const origin = "kiel.example/audit/a"

// builder writes a story with real log, documents and archive.
type builder struct {
	t       testing.TB
	dir     string
	now     time.Time
	disk    *durable.Disk
	log     *audit.Log
	archive *recording.Archive
	writers map[string]*recording.Writer
	streams map[string]*recording.Stream
	rows    []recording.Operation
	header  func(*recording.Header)
}

// Two is the story with a second session of ann in the same window.
func Two() *Story {
	s := New(Plant())
	after := s.Step("firstbyte", 0)
	for i, body := range []audit.Body{
		audit.SessionStarted{Session: "S-2", Person: "ann", Firm: "krall", Windows: []string{"W-1"}, Serial: "77", Source: "198.51.100.7:4001",
			Client: "SSH-2.0-OpenSSH_9.2", Kex: "curve25519-sha256", Mode: "readable"},
		audit.ChannelOpened{Session: "S-2", Channel: 0, Window: "W-1", Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "maint",
			Target: "10.20.1.11:22", Path: []string{"dmz", "line-1"}, Rule: "load", Rights: []string{"look", "load"}},
		audit.FirstByte{Session: "S-2", Window: "W-1"},
		audit.ChannelClosed{Session: "S-2", Channel: 0, In: 12, Out: 40, Cause: "client"},
		audit.SessionEnded{Session: "S-2", Cause: "client"},
	} {
		s.Add(4100+i, "penstock", body, "S-2")
		after = s.Insert(after)
	}
	return s
}

// Build writes the story into dir, whose keys it makes where there are none.
func Build(t testing.TB, dir string, s *Story) Folder {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &builder{t: t, dir: dir, now: Night, writers: map[string]*recording.Writer{}, streams: map[string]*recording.Stream{}, rows: s.Rows, header: s.Header}
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), origin)
	b.must(err)
	b.disk, err = durable.OpenDisk(dir)
	b.must(err)
	synced := make(chan error, 1)
	go func() { synced <- b.disk.Run(ctx) }()
	defer func() { stop(); <-synced }()
	b.log, err = audit.OpenLog(filepath.Join(dir, "log"), b.disk, audit.Options{Origin: origin, Node: "a", Signer: signer,
		Clock: audit.Clock{Wall: func() time.Time { return b.now }, Mono: func() time.Duration { return b.now.Sub(Night) }, Boot: "boot"}})
	b.must(err)
	docs, err := audit.OpenDocuments(filepath.Join(dir, "documents"), b.disk)
	b.must(err)
	for _, text := range s.Docs {
		_, err := docs.Put(ctx, text)
		b.must(err)
	}
	b.openArchive()
	s.Revise()
	for _, step := range s.Steps {
		b.now = step.Wall
		b.step(ctx, step)
	}
	f := Folder{Dir: dir, Checkpoint: b.log.Checkpoint()}
	b.must(b.log.Close())
	pub, err := os.ReadFile(filepath.Join(dir, "keys", "log.pub"))
	b.must(err)
	f.Key = string(pub)
	return f
}

func (b *builder) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) openArchive() {
	id, err := age.GenerateX25519Identity()
	b.must(err)
	b.must(os.WriteFile(filepath.Join(b.dir, "keys", "recordings.key"), []byte(id.String()+"\n"), 0o600))
	b.archive, err = recording.OpenArchive(recording.Parts{Dir: filepath.Join(b.dir, "recordings"), HeadsDir: filepath.Join(b.dir, "log", "heads"),
		Disk: b.disk, Log: b.log, Mode: "readable", Recipients: []string{id.Recipient().String()}, Identity: id.String(), MinFree: -1})
	b.must(err)
}

// step appends an event, and does for its recording what the broker would.
func (b *builder) step(ctx context.Context, step *Step) {
	ev := step.Event
	switch body := ev.Body.(type) {
	case audit.SessionStarted:
		h := recording.Header{V: 1, Session: body.Session, Node: "a", Person: body.Person, Firm: body.Firm,
			Windows: body.Windows, Serial: body.Serial, Source: body.Source, Client: body.Client, Kex: body.Kex, Started: b.now, Mode: body.Mode}
		if b.header != nil {
			b.header(&h)
		}
		w, header, keys, err := b.archive.Create(ctx, h)
		b.must(err)
		body.Header, body.Keys = header, keys
		ev.Body = body
		b.writers[body.Session] = w
	case audit.FirstByte:
		b.frames(ctx, body.Session)
	case audit.ChannelClosed:
		b.must(b.streams[body.Session].Close(ctx))
	case audit.SessionEnded:
		hash, err := b.writers[body.Session].Close(ctx, body.Cause)
		b.must(err)
		body.Close = hash
		ev.Body = body
	}
	_, err := b.log.Append(ctx, ev)
	b.must(err)
}

// frames writes a little, has its head committed, and writes more: 12 bytes in, and
// of a session with a name such as S-1 40 out, as the story says.
func (b *builder) frames(ctx context.Context, session string) {
	s, err := b.writers[session].Stream(0, "shell")
	b.must(err)
	b.streams[session] = s
	b.must(s.Commit(ctx, recording.In, []byte("ls -la\r")))
	for _, row := range b.rows {
		data, err := row.Encode()
		b.must(err)
		b.must(s.Commit(ctx, recording.Did, data))
	}
	b.must(s.Commit(ctx, recording.Out, []byte("-rw-r--r-- 12 valve.st\r\n$ ")))
	b.heads()
	b.must(s.Commit(ctx, recording.In, []byte("exit\r")))
	b.heads()
	b.must(s.Commit(ctx, recording.Out, []byte("bye from "+session+"\r\n")))
}

// heads has Run commit once, which it does at its end.
func (b *builder) heads() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	b.must(b.archive.Run(over))
}
