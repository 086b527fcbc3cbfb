package recording_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

// childDir names the variable that makes this binary the victim of TestKill9.
const childDir = "PENSTOCK_RECORDING_CHILD"

const origin = "test.plant.example/audit/a"

// openLog is the real log, on the same disk.
func openLog(dir string, disk *durable.Disk) (*audit.Log, error) {
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return nil, err
	}
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), origin)
	if err != nil {
		return nil, err
	}
	return audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{Origin: origin, Node: "a", Signer: signer, Clock: audit.SystemClock()})
}

// openAll is the log and the archive of a broker that may be killed.
func openAll(dir string, disk *durable.Disk, to string) (*audit.Log, *recording.Archive, error) {
	log, err := openLog(dir, disk)
	if err != nil {
		return nil, nil, err
	}
	a, err := recording.OpenArchive(recording.Parts{
		Dir: filepath.Join(dir, "recordings"), HeadsDir: filepath.Join(dir, "log", "heads"), Disk: disk, Log: log,
		Mode: "readable", MinFree: -1, Recipients: []string{to},
	})
	return log, a, err
}

// child records under load until it is killed, and says on stdout what Commit
// acknowledged: "session channel number".
func child(dir string) error {
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(context.Background())
	all.Go(func() error { return disk.Run(ctx) })
	_, a, err := openAll(dir, disk, os.Getenv(childDir+"_TO"))
	if err != nil {
		return err
	}
	recording.SmallParts(a, 20_000, 1<<20, time.Hour)
	all.Go(func() error { return a.Run(ctx) })
	for n := range 2 {
		w, _, _, err := a.Create(ctx, header("S-"+strconv.Itoa(n)))
		if err != nil {
			return err
		}
		for ch := range 3 {
			s, err := w.Stream(ch, "shell")
			if err != nil {
				return err
			}
			all.Go(func() error { return childStream(ctx, s, n, ch) })
		}
	}
	return all.Wait()
}

func childStream(ctx context.Context, s *recording.Stream, session, ch int) error {
	for i := 0; ; i++ {
		if err := s.Append('o', []byte(strings.Repeat(strconv.Itoa(i), 1+i%300))); err != nil {
			return err
		}
		if err := s.Commit(ctx, 'i', fmt.Appendf(nil, "<%d>", i)); err != nil {
			return err
		}
		fmt.Printf("S-%d %d %d\n", session, ch, i) // one write: whole, or not there
	}
}

// What Commit acknowledged before kill -9 is in the recording, in order,
// without a gap; and the recording verifies against the heads in the log.
func TestKill9(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		dir := t.TempDir()
		acknowledged := killed(t, dir, 1+rand.N(1500))
		disk, err := durable.OpenDisk(dir)
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- disk.Run(ctx) }()
		log, err := openLog(dir, disk)
		must(t, err)
		r := onDisk(t, dir, disk, func(p *recording.Parts) { p.Log = log })
		must(t, r.Recover(t.Context()))
		for session, channels := range acknowledged {
			checkKilled(t, r, fmt.Sprintf("round %d, %s", round, session), session, channels)
		}
		must(t, log.Close())
		stop()
		must(t, <-ran)
	}
}

// killed runs a child, kills it after some acknowledgements, and gives the
// highest number that it acknowledged of each session and channel.
func killed(t *testing.T, dir string, after int) map[string]map[int]int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childDir+"_TO="+identity.Recipient().String())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	acknowledged := map[string]map[int]int{}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var session string
		var ch, i int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d %d", &session, &ch, &i); err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if acknowledged[session] == nil {
			acknowledged[session] = map[int]int{}
		}
		acknowledged[session][ch] = i
		if seen++; seen == after {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || seen < after {
		t.Fatalf("the child ended by itself after %d: %v", seen, err)
	}
	return acknowledged
}

func checkKilled(t *testing.T, r *room, story, session string, channels map[int]int) {
	t.Helper()
	rd, err := r.Open(session)
	must(t, err)
	defer rd.Close()
	for ch, last := range channels {
		var in strings.Builder
		for f, err := range rd.Frames(ch, 0) {
			if err != nil {
				t.Fatalf("%s: %v", story, err)
			}
			if f.Mark == recording.In {
				in.Write(f.Data)
			}
		}
		var want strings.Builder
		for i := range last + 1 {
			fmt.Fprintf(&want, "<%d>", i)
		}
		if !strings.HasPrefix(in.String(), want.String()) {
			t.Errorf("%s, channel %d: %d was acknowledged; the recording ends %q", story, ch, last, in.String()[max(0, in.Len()-40):])
		}
	}
	var heads []recording.Head
	files, err := filepath.Glob(filepath.Join(r.parts.HeadsDir, "*.txt"))
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
			if h, err := recording.ParseHead([]byte(line)); err == nil && h.Session == session {
				heads = append(heads, h)
			}
		}
	}
	key, err := recording.SessionKey(r.path(session), identity)
	must(t, err)
	report, err := recording.VerifyFolder(r.path(session), audit.Hash{}, key, heads...)
	must(t, err)
	if !report.Whole() || report.Closed == nil || report.Closed.Cause != "crash" {
		t.Errorf("%s: %v", story, report.Findings)
	}
}
