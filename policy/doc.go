// Package policy says what may happen: the plant's zones, conduits, assets and
// rules, and the decision whether one channel of one person is allowed now.
//
// It is pure: no sockets, no files, no clock of its own. It trusts its caller
// for the facts and the time, and believes nothing that a fact does not say:
// the zero value of every type in it denies.
//
// Begin with decide.go for the words, plant.go for what a plant file says, and
// walk.go for what is asked, in its order.
package policy
