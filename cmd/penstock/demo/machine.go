package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// machine is a stock sshd that stands for the filler's controller. It admits
// only the broker's out certificates, and only the user who runs the demo: an
// sshd without root can log in nobody else.
type machine struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

const sshdConfig = `# A stock sshd as filler-plc. Written by penstock demo at each start.
ListenAddress 127.0.0.1
Port %[1]d
HostKey %[2]s/host_key
TrustedUserCAKeys %[2]s/out_ca.pub
AuthorizedPrincipalsFile %[2]s/principals
AuthorizedKeysFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
SetEnv PATH=%[2]s/bin:/usr/local/bin:/usr/bin:/bin
Subsystem sftp internal-sftp
`

// startMachine starts the sshd and returns when it listens.
func startMachine(ctx context.Context, dir string, port int) (*machine, error) {
	config := filepath.Join(dir, "sshd_config")
	if err := os.WriteFile(config, fmt.Appendf(nil, sshdConfig, port, dir), 0o600); err != nil {
		return nil, fmt.Errorf("write the machine's sshd_config: %w", err)
	}
	sshd, err := findSSHD()
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // only root's sshd wants it, and no service has made it here
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("make sshd's own folder: %w", err)
		}
	}
	logPath := filepath.Join(dir, "sshd.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the machine's log: %w", err)
	}
	defer log.Close()
	m := &machine{cmd: exec.Command(sshd, "-D", "-e", "-f", config), ended: make(chan struct{})}
	m.cmd.Stderr = log
	// Its own group: Ctrl-C reaches only the demo, which takes things down in order.
	// The kernel ends it too if the demo is killed.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Pdeathsig means the thread that started it
		defer runtime.UnlockOSThread()
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait() // ended by us, or its log says why
			close(m.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start sshd: %w", err)
	}
	if err := m.listens(ctx, port); err != nil {
		m.stop()
		return nil, fmt.Errorf("%w; %s says why", err, logPath)
	}
	return m, nil
}

func findSSHD() (string, error) {
	if p, err := exec.LookPath("sshd"); err == nil && filepath.IsAbs(p) {
		return p, nil // sshd starts itself again and wants its whole path
	}
	for _, p := range []string{"/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/lib/ssh/sshd"} {
		if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", errors.New("sshd is missing: install the package openssh-server (it need not run as a service)")
}

// givesTerminals says whether the machine's sshd can hand out terminals. Without
// root it cannot where new ones do not belong to the group tty already: it
// would have to change their group, gives up and closes the connection.
func givesTerminals() bool {
	if os.Getuid() == 0 {
		return true
	}
	group, err := user.LookupGroup("tty")
	if err != nil {
		return true // sshd takes the user's own group then
	}
	ptmx, tty, err := pty.Open()
	if err != nil {
		return false
	}
	defer ptmx.Close()
	defer tty.Close()
	info, err := tty.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && strconv.Itoa(int(stat.Gid)) == group.Gid
}

func (m *machine) listens(ctx context.Context, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond) // another program's listening can only be asked for
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return c.Close()
		}
		select {
		case <-m.ended:
			return errors.New("the machine's sshd ended at once")
		case <-ctx.Done():
			return fmt.Errorf("wait for the machine's sshd: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (m *machine) stop() {
	_ = m.cmd.Process.Signal(syscall.SIGTERM) // may have ended
	select {
	case <-m.ended:
	case <-time.After(3 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.ended
	}
}

// adoptOrphans makes what sshd leaves behind our child: a command without a
// terminal outlives its connection, and the demo leaves no process behind.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("ask for orphans: %w", err)
	}
	return nil
}

// sweep ends whatever still descends from this process, and from nobody else.
func sweep() {
	for range 50 { // each round may make new orphans ours; 5 s at most
		left := children(os.Getpid(), 0)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // may have ended
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		time.Sleep(100 * time.Millisecond) // the kernel hands over grandchildren as their parents go
	}
}

// children are the descendants of pid.
func children(pid, depth int) []int {
	if depth > 16 {
		return nil
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	var all []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has gone
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), children(child, depth+1)...)
			}
		}
	}
	return all
}
