package recording

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// ExportText writes one channel's output as plain text: escape sequences are
// taken out, control characters dropped, and invisible characters, those that
// turn the direction of text among them, written as \u202e. So it is safe to
// show anywhere. It is not a terminal: a lone carriage return begins a new
// line, and what a program overwrote or deleted stays visible, in the order in
// which it came. Full-screen programs read better in the cast. Notes of
// Penstock stand in lines of their own, "[penstock] …"; input, where asked for,
// as "[in] …". Of a channel that carries files the text is what was asked for,
// "[asked] …", and the notes. Errors are as with ExportCast.
func ExportText(w io.Writer, r *Reader, ch int, opts ...ExportOption) error {
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	o := options(opts)
	t := &page{out: bufio.NewWriter(w)}
	var outs, errs, ins plainText
	var keys typed
	said := func(texts ...string) {
		for _, text := range texts {
			t.label("[in] ")
			ins.write(t, []byte(text))
			t.fresh()
			ins.cr = false // that was it
		}
	}
	echo := func(p []byte) {
		if o.input && !o.unmasked {
			keys.out(p)
			said(keys.take()...)
		}
	}
	for f, ferr := range frames {
		if ferr != nil {
			err = ferr
			break
		}
		switch {
		case f.Mark == Request && CarriesFiles(f.Kind):
			t.label("[asked] ")
			new(plainText).write(t, f.Data)
			t.fresh()
		case f.Mark == Out && CarriesFiles(f.Kind): // no text
		case f.Mark == Out:
			outs.write(t, f.Data)
			echo(f.Data)
		case f.Mark == Err:
			errs.write(t, f.Data)
			echo(f.Data)
		case f.Mark == In && o.unmasked:
			said(string(f.Data))
		case f.Mark == In && o.input:
			keys.in(f.Data)
			said(keys.take()...)
		case f.Mark == Note:
			t.label("[penstock] ")
			new(plainText).write(t, f.Data)
			t.fresh()
		}
	}
	keys.rest()
	said(keys.take()...)
	outs.end(t)
	errs.end(t)
	return errors.Join(err, t.out.Flush())
}

// CarriesFiles: the bytes of such a channel are a protocol, and no text. What was
// asked for and what was noted of it are.
func CarriesFiles(kind string) bool {
	switch kind {
	case "sftp", "scp", "rsync", "git":
		return true
	}
	return false
}

// ExportRaw writes the bytes of one direction (In, Out or Err) as they passed.
func ExportRaw(w io.Writer, r *Reader, ch int, m Mark) error {
	if !m.bytes() {
		return fmt.Errorf("export raw: mark %q is no direction: i, o or e", byte(m))
	}
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	for f, err := range frames {
		if err != nil {
			return err
		}
		if f.Mark != m {
			continue
		}
		if _, err := w.Write(f.Data); err != nil {
			return fmt.Errorf("export raw: %w", err)
		}
	}
	return nil
}

// page knows whether a line has begun.
type page struct {
	out   *bufio.Writer
	begun bool
}

func (p *page) rune(r rune) {
	p.out.WriteRune(r)
	p.begun = r != '\n'
}

func (p *page) fresh() {
	if p.begun {
		p.rune('\n')
	}
}

func (p *page) label(s string) {
	p.fresh()
	p.out.WriteString(s)
	p.begun = true
}

// plainText takes escape sequences out of one stream (ECMA-48; the states are
// those of the DEC VT500 parser, as far as they decide where a sequence ends).
type plainText struct {
	decoder
	state  state
	length int  // runes in the string at hand
	cr     bool // a carriage return waits for its line feed
}

type state uint8

const (
	plainly      state = iota
	afterEsc           // after ESC
	afterEscMore       // after ESC and intermediates (ECMA-35: one final follows)
	inControl          // CSI, until its final
	inOSC              // until ST or BEL
	inString           // DCS, SOS, PM, APC: until ST
	escInString        // ESC in a string: a backslash ends it
)

// longestString is what a string may hold before it is taken for one without
// an end, so that it cannot hide all that follows.
const longestString = 4096

func (t *plainText) write(p *page, b []byte) {
	for s := t.text(b); s != ""; {
		if n := t.asItIs(s); n > 0 {
			p.out.WriteString(s[:n])
			p.begun = true
			s = s[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		t.rune(p, r)
		s = s[size:]
	}
}

// asItIs is how many bytes at the beginning of s are shown and change nothing.
func (t *plainText) asItIs(s string) int {
	if t.state != plainly || t.cr {
		return 0
	}
	return printable(s)
}

func (t *plainText) end(p *page) {
	for _, r := range t.decoder.end() {
		t.rune(p, r)
	}
	if t.cr {
		p.rune('\n')
		t.cr = false
	}
}

func (t *plainText) rune(p *page, r rune) {
	switch {
	case r == 0x18 || r == 0x1A: // CAN and SUB end any sequence
		t.state = plainly
		return
	case r == 0x1B:
		if t.state == inOSC || t.state == inString {
			t.state = escInString
		} else {
			t.state = afterEsc
		}
		return
	case t.state != inOSC && t.state != inString && t.introduces(r):
		return
	}
	switch t.state {
	case escInString:
		t.state = plainly
		if r != '\\' { // the ESC began another sequence
			t.state = afterEsc
			t.escaped(p, r)
		}
	case afterEsc, afterEscMore:
		t.escaped(p, r)
	case inControl:
		if r < 0x20 { // a terminal obeys it in the middle of a sequence
			t.print(p, r)
		} else if r >= 0x40 {
			t.state = plainly
		}
	case inOSC, inString:
		t.length++
		if r == 0x9C || r == 0x07 && t.state == inOSC || t.length > longestString {
			t.state = plainly
		}
	default:
		t.print(p, r)
	}
}

// introduces knows the eight-bit forms of the introducers.
func (t *plainText) introduces(r rune) bool {
	switch r {
	case 0x9B:
		t.state = inControl
	case 0x9D:
		t.state, t.length = inOSC, 0
	case 0x90, 0x98, 0x9E, 0x9F:
		t.state, t.length = inString, 0
	default:
		return false
	}
	return true
}

func (t *plainText) escaped(p *page, r rune) {
	switch {
	case r < 0x20:
		t.print(p, r)
	case r < 0x30:
		t.state = afterEscMore
	case t.state == afterEscMore:
		t.state = plainly
	case r == '[':
		t.state = inControl
	case r == ']':
		t.state, t.length = inOSC, 0
	case r == 'P' || r == 'X' || r == '^' || r == '_':
		t.state, t.length = inString, 0
	default:
		t.state = plainly
		if r > 0x7E {
			t.print(p, r)
		}
	}
}

// print shows what is to be seen and nothing that changes how the rest is seen.
func (t *plainText) print(p *page, r rune) {
	if t.cr {
		t.cr = false
		p.rune('\n')
		if r == '\n' {
			return
		}
	}
	switch {
	case r == '\r':
		t.cr = p.begun // at the start of a line it changes nothing
	case r == '\n' || r == '\t':
		p.rune(r)
	case r < 0x20 || r >= 0x7F && r < 0xA0:
	case !unicode.IsGraphic(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		format := `\u%04x`
		if r > 0xFFFF {
			format = `\U%08x`
		}
		fmt.Fprintf(p.out, format, r)
		p.begun = true
	default:
		p.rune(r)
	}
}
