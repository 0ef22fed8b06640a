//go:build race

package gateway_test

// stride is which steps are broken under the race detector, a fifth: without it
// every one of them is, in the same check.
const stride = 5
