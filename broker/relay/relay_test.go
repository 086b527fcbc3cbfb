package relay_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func rig(t testing.TB) *brokertest.Rig {
	return brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"), broker.Limits{})
}

func TestBytesGoThroughAndAreRecorded(t *testing.T) {
	r := rig(t)
	s := r.Session(t, &brokertest.Guest{})
	c := r.Channel(t, s, brokertest.Shell(brokertest.Maint))
	in := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	var target, vendor bytes.Buffer
	if err := relay.ToTarget(c.Context(), c, &target, bytes.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if err := relay.ToVendor(c.Context(), c, recording.Out, &vendor, bytes.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(target.Bytes(), in) || !bytes.Equal(vendor.Bytes(), in) {
		t.Error("bytes were changed on the way")
	}
	c.Close("0", nil)
	if !bytes.Equal(r.Input(t, s.ID(), 0), in) || !bytes.Equal(r.Recorded(t, s.ID(), 0, recording.Out), in) {
		t.Error("the recording differs from what passed")
	}
	s.End(nil)
	<-s.Done()
	closed := brokertest.Bodies[interface{ Type() string }](r.Log)
	_ = closed
}

var _ = io.EOF
var _ net.Conn
var _ context.Context
