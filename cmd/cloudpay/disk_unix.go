//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// freeSpace returns how many bytes an ordinary user may still write at a path.
func freeSpace(path string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("look at the disk of %s: %w", path, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:gosec,unconvert // the types differ between systems; disks are smaller than 8 EiB
}
