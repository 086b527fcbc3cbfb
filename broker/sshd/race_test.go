//go:build race

package sshd

const deepest = 2304 // bytes; the race detector's own calls take some of each frame
