//go:build race

package main

// raced says that the race detector watches, with which a call costs ten times
// as much: long runs are shorter, in the same check as their full length.
const raced = true
