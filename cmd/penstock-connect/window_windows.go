package main

import (
	"syscall"
	"unsafe"
)

// ownWindow says whether the console ends with this program, as it does for one that was
// started by a double click (GetConsoleProcessList: nobody else is attached to it).
func ownWindow() bool {
	var ids [2]uint32
	n, _, _ := syscall.NewLazyDLL("kernel32.dll").NewProc("GetConsoleProcessList").Call(uintptr(unsafe.Pointer(&ids[0])), uintptr(len(ids)))
	return n == 1
}
