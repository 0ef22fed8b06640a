//go:build race

package gateway_test

// stride is which steps are broken under the race detector, every eleventh: without it
// every one of them is, in the same check.
const stride = 11
