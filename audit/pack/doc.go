// Package pack makes and checks evidence packs: one zip file with everything
// that the log has of one window, which can be checked with nothing beside it
// but the log's verifier key.
//
// In it are the leaves that concern the window, each with its proof under one
// signed checkpoint (C2SP tlog-proof), the documents that were needed to judge
// them, the recordings as they lie on the broker, the head lines that commit to
// them, what places outside hold, and pages for people. Nothing is compressed
// and nothing is made up: the same data folder at the same checkpoint gives the
// same bytes.
//
// Writing reads a data folder beside the running broker, without its lock.
// Memory: a few words for each request, window and person in the log; files
// are streamed. Checking believes no byte of the file, writes each recording to
// a temporary folder of its own, and takes it away again.
//
// A pack shows what is in it. That the broker left out the newest leaves of a
// person or a block it cannot show: only the whole log can, and the findings say so.
package pack
