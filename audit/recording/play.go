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
// how many times as fast. A silence lasts 2 s at most. ctx ends it; that is no
// error. Errors are as with ExportText.
func Play(ctx context.Context, w io.Writer, r *Reader, ch int, speed float64) error {
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	t := &page{out: bufio.NewWriter(w)}
	var outs, errs plainText
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Duration
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
