// Package docs holds the texts of this folder that a running server shows below
// /docs/. It knows no code of ours, and nothing here decides anything.
package docs

import _ "embed" // the texts are files

// Callbacks says how to receive callbacks, in English. It is Markdown.
//
//go:embed callbacks.md
var Callbacks string

// CallbacksZH is Callbacks in Chinese, with the same programs.
//
//go:embed callbacks.zh.md
var CallbacksZH string
