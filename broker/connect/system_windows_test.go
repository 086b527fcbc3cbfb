package connect

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"testing"

	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/windows"
)

// Keys of Windows' agent are found at its pipe, and they sign.
func TestAnAgentAtAPipe(t *testing.T) {
	name := fmt.Sprintf(`\\.\pipe\penstock-test-%d`, os.Getpid())
	at, err := windows.UTF16PtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := windows.CreateNamedPipe(at, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_FIRST_PIPE_INSTANCE, windows.PIPE_TYPE_BYTE, 1, 5<<10, 5<<10, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		if err := windows.ConnectNamedPipe(pipe, nil); err != nil && err != windows.ERROR_PIPE_CONNECTED {
			served <- err
			return
		}
		f := os.NewFile(uintptr(pipe), name)
		defer f.Close()
		served <- agent.ServeAgent(ring, f)
	}()
	t.Setenv("SSH_AUTH_SOCK", name)
	keys, done := fromAgent()
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	sig, err := keys[0].Sign(nil, []byte("data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys[0].PublicKey().Verify([]byte("data"), sig); err != nil {
		t.Error(err)
	}
	done()
	t.Log(<-served) // the pipe's other end is gone
}
