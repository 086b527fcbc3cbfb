package durable_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"penstock/audit/durable"
)

// childDir is set for the child of TestStoppedDuringASync: its folder.
const childDir = "PENSTOCK_TEST_CHILD_DIR"

// childLost is the child's whole patience; it is stopped for longer.
const childLost = 3 * time.Second

// napping is a file system whose sync of one file ends only after the whole
// process has stood still, and a moment more.
type napping struct {
	durable.FS
	d *durable.Disk
}

type nappingFile struct {
	durable.File
	fs *napping
}

func (n *napping) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := durable.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return nappingFile{f, n}, nil
}

func (f nappingFile) Sync() error {
	if f.Name() != os.Getenv(childDir)+"/f" {
		return f.File.Sync()
	}
	<-f.fs.d.Overdue().Late()
	const look = 10 * time.Millisecond
	last := time.Now()
	fmt.Println("syncs")
	for time.Since(last) < childLost {
		last = time.Now()
		time.Sleep(look) // the disk's own time
	}
	time.Sleep(childLost / 10)
	return nil
}

// child syncs one file and says what came of it.
func child() {
	dir := os.Getenv(childDir)
	fs := &napping{FS: durable.OS}
	d, err := durable.OpenDisk(dir, durable.On(fs), durable.Patience(childLost/15))
	if fs.d = d; err == nil {
		go d.Run(context.Background())
		var f durable.File
		if f, err = d.FS().OpenFile(dir+"/f", os.O_RDWR|os.O_CREATE, 0o600); err == nil {
			err = d.Sync(context.Background(), f)
		}
	}
	fmt.Println(err, d.Err())
}

// A process that stood still in the middle of a sync for longer than its whole
// patience (stopped, starved, a virtual machine that was moved) has no broken disk.
func TestStoppedDuringASync(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() // where the test has failed
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "syncs\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("the child is not stopped: %v, %v", status, err)
	}
	time.Sleep(childLost + childLost/4) // real time: that is the story
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if line, err := lines.ReadString('\n'); line != "<nil> <nil>\n" {
		t.Errorf("the child says %q, %v", line, err)
	}
	if err := cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Error(err)
	}
}
