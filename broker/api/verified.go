package api

// Verified is what a check of one recording by the broker found (POST
// /recordings/S-1/verify). It is the broker's own word: penstock-verify does
// not need it.
type Verified struct {
	Session  string    `json:"session"`
	Proved   bool      `json:"proved"`
	Opened   bool      `json:"opened"` // what it holds was decrypted and read, too
	Size     uint64    `json:"size"`   // leaves under the log's checkpoint
	Findings []Finding `json:"findings"`
}

// Finding is one thing that is wrong, or to be known. Weight is wrong or note.
type Finding struct {
	Weight string `json:"weight"`
	Where  string `json:"where"`
	What   string `json:"what"`
}
