// Package ui holds the built browser pages, so that a machine with Go alone
// builds a binary that serves them. It knows nothing of what they are for.
//
// The sources are the npm workspace beside this file; `make ui` builds them
// into dist, which is committed.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed dist/phone
var dist embed.FS

// Phone returns the files of the customer's phone: index.html, and under
// assets/ files whose names hold the hash of their content.
func Phone() fs.FS {
	sub, err := fs.Sub(dist, "dist/phone")
	if err != nil {
		panic("ui: " + err.Error()) // the folder is embedded above
	}
	return sub
}
