//go:build !kms

package secret

import "errors"

// kmsSource refuses: the programs of a key service are an optional build, so
// that the ordinary binary runs no program at all.
func kmsSource(string) (Source, error) {
	return nil, errors.New("master key: this binary runs no programs; build one with: go build -tags kms ./cmd/cloudpay")
}
