//go:build race

package gateway_test

// stride is which steps are broken under the race detector, every eleventh:
// without it all of them are, in the same check.
const stride = 11
