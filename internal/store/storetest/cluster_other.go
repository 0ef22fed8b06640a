//go:build !unix

package storetest

import "errors"

// start cannot start a server here.
func start() (server, error) {
	return server{}, errors.New("no private PostgreSQL on this system; set CLOUDPAY_TEST_PG")
}
