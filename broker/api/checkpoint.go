package api

// Checkpoint is the newest signed note of the log, which its reader takes to
// keep outside; the log says so (POST /checkpoint).
type Checkpoint struct {
	Note string `json:"note"`
}
