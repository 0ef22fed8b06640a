//go:build race

package gateway_test

// stride is which steps are broken under the race detector, one in 23,
// and not in every flow the same: without it all of them are, in the same check.
const stride = 23
