package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"penstock/approvals/calendar"
	"penstock/policy"
)

// maxUpload is the longest file that a page takes; uploadForm is its form with what
// stands beside the file.
const (
	maxUpload  = calendar.MaxBytes
	uploadForm = maxUpload + 64<<10
)

// uploaded is a file of a form, at most a byte more than maxUpload: whoever takes it
// refuses a longer one. The body is bounded before (bodyLimit), so nothing of it
// goes to the disk.
func (v *visit) uploaded(field string) ([]byte, error) {
	if err := v.r.ParseMultipartForm(uploadForm); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, badCall{fmt.Errorf("the form cannot be read: %w", err)}
	}
	f, _, err := v.r.FormFile(field)
	if err != nil {
		return nil, &policy.Refusal{Rule: "no-file", Say: "Choose a file first.", Why: err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxUpload+1))
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return text, nil
}
