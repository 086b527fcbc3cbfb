package recording

import (
	"bytes"
	"time"
)

// CaptureOf is ExportPcapng of frames that were never written; empty where
// they are no TCP stream.
func CaptureOf(frames []Frame) []byte {
	var b bytes.Buffer
	c := &capture{started: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC), title: "t"}
	for _, f := range frames {
		if c.frame(&b, f) != nil {
			return nil
		}
	}
	if c.out == nil || c.close(nil) != nil {
		return nil
	}
	return b.Bytes()
}

// KeyOf is the place where a running recording's key lies.
func KeyOf(w *Writer) []byte { return w.key }
