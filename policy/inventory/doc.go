// Package inventory reads what other systems know of a plant's machines (a
// sheet, NetBox, ServiceNow), and makes an imported file of the plant file of it.
// ReadTable reads any sheet with known columns: the lists of firms and people too.
//
// It gives rows, and the difference to what was imported before; it never
// changes a file that a person wrote, and never leaves an asset out that was
// there before: what its source does not have any more is marked stale. It
// trusts no byte: sizes, rows and cells are bounded, encodings are told by their
// first bytes and else are UTF-8 or, which it says, Windows-1252, and a cell that a spreadsheet would take
// for a formula is refused. What it cannot place in a declared zone is no asset:
// nothing reaches it.
package inventory
