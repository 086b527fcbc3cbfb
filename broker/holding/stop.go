package holding

import (
	"fmt"

	"penstock/policy"
)

// StopFile is approvals.FileStopper: a file that is on its way goes no further,
// from here on, in memory. said is what the vendor reads. It is false where the
// machine has been asked to give the file its name: from then on it is there, or
// only a look at the machine says.
func (h *Holding) StopFile(id, said string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.named[id] {
		return false
	}
	h.stopped[id] = said
	return true
}

// GoFile takes StopFile back: nobody has refused the file after all.
func (h *Holding) GoFile(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.stopped, id)
}

// goes refuses where the file was stopped. naming: it is whole at the machine,
// and asks for its name; nobody stops it after that.
func (h *Holding) goes(id string, naming bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if said, is := h.stopped[id]; is {
		return &policy.Refusal{Rule: "file-refused", Say: said, Why: fmt.Sprintf("%s was refused while it was on its way", id)}
	}
	if naming {
		h.named[id] = true
	}
	return nil
}

// unnamed: whoever brought it is through; what became of it is in its row.
func (h *Holding) unnamed(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.named, id)
}
