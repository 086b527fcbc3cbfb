package recording

import (
	"bufio"
	"context"
	"errors"
	"io"
	"time"
)

// longestSilence in a playing, as in the page's player.
const longestSilence = 2 * time.Second

// Play writes one channel's output as ExportText does, at its pace: speed is
// how many times as fast. A silence lasts 2 s at most. It begins at, since the
// channel's first frame, with the text that stood on the screen there. ctx ends
// it; that is no error. Errors are as with ExportText.
func Play(ctx context.Context, w io.Writer, r *Reader, ch int, at time.Duration, speed float64) error {
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	t := &page{out: bufio.NewWriter(w)}
	var outs, errs plainText
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Duration
	if at > 0 {
		m, err := r.Moment(ch, at)
		if err != nil {
			return err
		}
		for _, line := range m.Screen.Lines() {
			outs.write(t, []byte(line+"\n"))
		}
		frames, last = r.After(ch, m.Next), m.At
	}
	for f, ferr := range frames {
		if ferr != nil {
			err = ferr
			break
		}
		timer.Reset(time.Duration(float64(min(f.At-last, longestSilence)) / speed))
		last = f.At
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		switch f.Mark {
		case Out:
			outs.write(t, f.Data)
		case Err:
			errs.write(t, f.Data)
		case Note:
			t.label("[penstock] ")
			new(plainText).write(t, f.Data)
			t.fresh()
		}
		if err := t.out.Flush(); err != nil {
			return err
		}
	}
	outs.end(t)
	errs.end(t)
	return errors.Join(err, t.out.Flush())
}
