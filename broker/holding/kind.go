package holding

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"penstock/policy"
)

const headBytes = 8 << 10 // of a file that say what it is

// magic are first bytes, as the formats' own specifications have them.
var magic = []struct{ begins, kind string }{
	{"MZ", "exe"}, {"\x7fELF", "elf"}, {"#!", "script"}, {"\xca\xfe\xba\xbe", "class"}, {"SQLite format 3\x00", "sqlite"},
	{"PK\x03\x04", "zip"}, {"PK\x05\x06", "zip"}, {"PK\x07\x08", "zip"}, {"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"7z\xbc\xaf\x27\x1c", "7z"},
	{"Rar!\x1a\x07", "rar"}, {"MSCF", "cab"}, {"%PDF-", "pdf"}, {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"}, {"{\\rtf", "rtf"},
	{"\x89PNG\r\n\x1a\n", "png"}, {"\xff\xd8\xff", "jpeg"}, {"GIF8", "gif"}, {"BM", "bmp"},
}

// kindOf tells a file by its first bytes: one of policy.FileTypes. It says what
// a file begins like, and is no proof of what it is: a file may be two at once.
func kindOf(r io.ReaderAt, size int64) string {
	head := make([]byte, min(size, headBytes))
	n, _ := r.ReadAt(head, 0)
	head = head[:n]
	kind := kindOfHead(head)
	if !slices.Contains(policy.FileTypes, kind) {
		return "other"
	}
	return kind
}

func kindOfHead(head []byte) string {
	if len(head) == 0 {
		return "empty"
	}
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.begins)) {
			return m.kind
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return "tar"
	}
	switch text := strings.TrimPrefix(string(head), "\ufeff"); {
	case !strings.HasPrefix(http.DetectContentType(head), "text/") || !isText(head):
		return "other"
	case strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "<?xml"):
		return "xml"
	}
	return "text"
}

// isText: UTF-8 without control characters but those of plain text; the last rune may be cut.
func isText(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return true // UTF-16 says so in its first two bytes
	}
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && len(head) >= utf8.UTFMax {
			return false
		}
		if r < 0x20 && !strings.ContainsRune("\t\n\r\f\x1b", r) {
			return false
		}
		head = head[n:]
	}
	return true
}
