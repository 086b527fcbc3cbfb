//go:build !race

package sshd

const deepest = 1247 // bytes
