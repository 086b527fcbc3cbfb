package sftp

import (
	"context"
	"fmt"
	"path"

	"penstock/audit"
)

// file is one open handle: a file, or a folder that is listed.
type file struct {
	path    string // as asked for
	handle  string
	folder  bool
	flags   uint32 // of open
	size    uint64 // as the machine said, if sized
	sized   bool
	in, out content
	read    bool // it was read from, or tried
	eof     bool // a read came to the end of the file
	pending int  // writes and changes without an answer
	failed  string
	cut     bool   // truncated to its last byte, or by open
	closing bool   // close is on its way: nothing new begins
	closed  bool   // the machine has closed it
	done    func() // of Channel.Busy

	most, mostOut int64 // bytes that may pass in one file; 0: no limit
	over          bool  // more was tried
	held          Held  // it comes in and is kept here; nil: it is on the machine
	taken         Taken // it was let out and is read from here; nil: it is on the machine
}

func (f *file) writes() bool { return !f.folder && f.held == nil && f.flags&^uint32(flagRead) != 0 }

// told is what file.transferred says of it: nothing, one direction or both.
func (f *file) told(by string) (all []audit.FileTransferred) {
	if f.done != nil {
		f.done()
	}
	if f.folder {
		return nil
	}
	if f.flags&(flagWrite|flagAppend|flagTrunc|flagCreate) != 0 && (f.flags&flagWrite != 0 || f.in.begun) {
		all = append(all, f.event(by, "in", &f.in, f.lacksIn))
	}
	if f.read {
		all = append(all, f.event(by, "out", &f.out, f.lacksOut))
	}
	return all
}

func (f *file) event(by, direction string, c *content, lacks func(one bool) string) audit.FileTransferred {
	h, over, offset, one := c.sum()
	why := lacks(one)
	return audit.FileTransferred{By: by, Direction: direction, Path: safe(f.path), Offset: offset, Bytes: c.bytes, SHA256: h, Hashed: over, Whole: why == "", Why: why}
}

// lacksIn says why what was written is not known to be the whole file.
func (f *file) lacksIn(one bool) string {
	switch {
	case f.failed != "":
		return f.failed
	case !f.closed:
		return "broke off"
	case f.pending > 0:
		return "not all was acknowledged"
	case f.flags&flagAppend != 0:
		return "appended"
	case !one:
		return "not in one piece from the beginning"
	case f.flags&(flagTrunc|flagExcl) == 0 && !f.cut:
		return "what was there before may go on behind it"
	}
	return ""
}

func (f *file) lacksOut(one bool) string {
	switch {
	case f.failed != "":
		return f.failed
	case !one:
		return "not in one piece from the beginning"
	case !f.eof && !(f.sized && f.out.end() >= f.size):
		if !f.closed {
			return "broke off"
		}
		return "not read to its end"
	}
	return ""
}

// half is what Channel.Busy shows while the file is open.
func (f *file) half() string {
	word := "download of"
	if f.flags&^flagRead != 0 {
		word = "upload of"
	}
	return fmt.Sprintf("%s %s", word, safe(path.Base(f.path)))
}

// leave gives up a file that is not on the machine, and of which nothing is told.
func (f *file) leave() {
	switch {
	case f.held != nil:
		f.held.Drop()
	case f.taken != nil:
		f.taken.Close(context.Background(), false)
	}
}
