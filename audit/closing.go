package audit

import "errors"

// ErrFull is what Append says to what is no end while the closing reserve is
// tapped: the log is as it was, and takes such events again once there is room
// and the reserve is whole.
var ErrFull = errors.New("the log's disk is full, and what is left is for how things end: free space on it")

// closing says whether an event tells how something ended or was taken away, of
// what had happened before that, or who came to take it. Only these may use the
// reserve up.
func closing(b Body) bool {
	switch b := b.(type) {
	case SessionEnded, ChannelClosed, OperationsSummary, FileTransferred,
		RecordingHeads, RecordingFailed, RecordingRecovered, ReviewClosed,
		LogRecovered, NodeStopped, LoginOK,
		BlockSet, PersonDisabled, FirmEnded, AnswerWithdrawn, DeputyEnded, KeyRemoved, RequestWithdrawn:
		return true
	case WindowMoved: // the others pause, narrow and end
		return b.To != "opened" && b.To != "wenton" && b.To != "extended" && b.To != "stepped"
	case GateChanged:
		return b.Says == "no"
	}
	return false
}
