package audit

import "time"

// AssetBackup: somebody of the plant says when a machine was last backed up, and
// where the copy is. Last is when it was made.
type AssetBackup struct {
	Asset string    `json:"asset"`
	Last  time.Time `json:"last"`
	Where string    `json:"where,omitempty"`
	Tool  string    `json:"tool,omitempty"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

var _ = events(AssetBackup{}, DebtOpened{}, DebtClosed{})

func (AssetBackup) Type() string { return "asset.backup" }

// DebtOpened and DebtClosed say what the plant owes since a daily look, or a new
// plant file, and what it owes no more: what lacks a zone, a backup, a review, a
// host key, or is unused. MaxDebts at most in one leaf.
type DebtOpened struct {
	Items []DebtItem `json:"items"`
	At    time.Time  `json:"at"`
}
type DebtClosed struct {
	Items []DebtItem `json:"items"`
	At    time.Time  `json:"at"`
}

// DebtItem is one thing owed. Since is since when, where that is known from
// elsewhere; else it is owed since the leaf.
type DebtItem struct {
	Kind  string    `json:"kind"`
	What  string    `json:"what"`
	Since time.Time `json:"since,omitzero"`
}

// MaxDebts keeps a leaf with its rows' hashes below MaxEvent.
const MaxDebts = 12

func (DebtOpened) Type() string { return "debt.opened" }
func (DebtClosed) Type() string { return "debt.closed" }
