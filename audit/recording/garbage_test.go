package recording_test

import (
	"runtime"
	"testing"
)

// TestUploadMakesLittleGarbage: what passes through the recorder stands in
// memory that is lent. Sealed frame by frame into a buffer that grows, a MiB made eight.
func TestUploadMakesLittleGarbage(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "exec")
	p := make([]byte, 1<<20)
	must(t, s.Commit(t.Context(), 'i', p))
	const times = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		must(t, s.Commit(t.Context(), 'i', p))
	}
	runtime.ReadMemStats(&after)
	const most = 5 << 20 // a collection empties the pools, and the race detector now and then
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > most {
		t.Errorf("recording a MiB allocates %d bytes", each)
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	got := 0
	for f, err := range rd.Frames(0, 0) {
		must(t, err)
		got += len(f.Data)
	}
	if got != (times+1)<<20 {
		t.Errorf("%d bytes are recorded", got)
	}
}
