package api

import "fmt"

// FirmImport is a list of firms and their people, for POST /firms/import/plan,
// which only says what it would do, and POST /firms/import.
type FirmImport struct {
	Sheet    []byte `json:"sheet"`  // the file as it is, 2 MiB at most
	Format   string `json:"format"` // csv or json
	System   string `json:"system"` // where it comes from; its ids are this system's
	Plan     string `json:"plan,omitempty"`
	LeaveOut bool   `json:"leave_out,omitempty"` // write the rest where lines cannot be used
}

// FirmsImported is what an import would do, or did. Invitations have their codes.
type FirmsImported struct {
	Plan        string         `json:"plan,omitempty"` // print of what it would do; a call that writes gives it back
	Note        string         `json:"note,omitempty"`
	Ignored     []string       `json:"ignored_columns,omitempty"`
	Changes     []ImportChange `json:"changes"`
	LeftOut     []LeftOut      `json:"left_out"`
	Invitations []Invitation   `json:"invitations,omitempty"`
	Stopped     string         `json:"stopped,omitempty"` // why it could not go on; the same list again does the rest
}

// ImportChange is what is done to a firm, or to a person of it.
type ImportChange struct {
	Line   int    `json:"line,omitempty"`
	Firm   string `json:"firm"`
	Person string `json:"person,omitempty"`
	Does   string `json:"does"`
	Text   string `json:"text,omitempty"`
}

// Who is the firm, or firm/person.
func (c ImportChange) Who() string {
	if c.Person == "" {
		return c.Firm
	}
	return c.Firm + "/" + c.Person
}

// LeftOut is a line that is not used, and why.
type LeftOut struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Counts says how many of each there are.
func (f FirmsImported) Counts() string {
	n := map[string]int{}
	for _, c := range f.Changes {
		n[c.Does]++
	}
	return fmt.Sprintf("%d new, %d changed, %d to be invited, %d left alone, %d missing, %d the same; lines left out: %d",
		n["new"], n["changed"], n["invited"], n["left-alone"], n["missing"], n["same"], len(f.LeftOut))
}
