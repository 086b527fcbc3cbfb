package recording

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// HeadAt gives the chain's hash as it stands behind one frame of a file, and the
// bytes up to there; fs.ErrNotExist if the file has no such frame. It takes the
// hash from the file and checks nothing: that is VerifyFolder's.
func HeadAt(dir, file string, seq uint64) (Head, error) {
	p, ok := parsePart(file)
	if !ok {
		return Head{}, fmt.Errorf("%q is no file of frames", file)
	}
	f, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		return Head{}, err
	}
	defer f.Close()
	at := Head{Session: filepath.Base(dir), Channel: int(p.channel), File: file}
	for {
		var b [headerSize]byte
		if _, err := f.ReadAt(b[:], at.Bytes); err == io.EOF {
			return Head{}, fmt.Errorf("frame %d of %s: %w", seq, file, fs.ErrNotExist)
		} else if err != nil {
			return Head{}, err
		}
		h, wrong := parseHead(b[:])
		if wrong != "" {
			return Head{}, &Damage{file, at.Bytes, wrong}
		}
		at.Bytes += headerSize + int64(h.length) + hashSize
		if h.seq != seq {
			continue
		}
		if _, err := f.ReadAt(at.Head[:], at.Bytes-hashSize); err != nil {
			return Head{}, fmt.Errorf("frame %d of %s: %w", seq, file, io.ErrUnexpectedEOF)
		}
		at.Seq = seq
		return at, nil
	}
}
