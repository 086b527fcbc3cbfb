// Package search finds what happened: words that stood on a screen, commands,
// files and their hashes, and what the log says of people and assets. Its index
// is made from the log and from the recordings that the broker can read, goes
// on while sessions run, and can be deleted at any time: it is made again.
//
// Of a sealed recording only what the log says is in it. It judges nobody's
// right to search: review.Book does, and writes who looked for what.
package search
