package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// diskSize holds ten minutes of a run on either engine, with the logs.
const diskSize = "768m"

// smallDisk is where the database lies: a file system of its own in memory. Where
// none may be mounted it is a directory, and a limit on the size of files stands
// in for the end of the disk.
type smallDisk struct {
	dir     string
	mounted bool
}

// holder keeps the disk mounted until its input ends, as it does when the test
// process ends in whatever way.
const holder = `mount -t tmpfs -o size=` + diskSize + `,mode=0755 cloudpay-chaos "$0" || exit 1
echo mounted
cat >/dev/null
umount -l "$0" && rmdir "$0"`

func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	dir, err := os.MkdirTemp("", "cloudpay-chaos") //nolint:usetesting // its directory is closed to the user postgres
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as somebody else
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", holder, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lifeline, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(io.LimitReader(out, int64(len("mounted"))))
	t.Cleanup(func() {
		_ = lifeline.Close()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	d := &smallDisk{dir: dir, mounted: string(said) == "mounted"}
	if !d.mounted {
		t.Logf("NO DISK OF ITS OWN: nothing may be mounted here, so RLIMIT_FSIZE stands in for a full disk")
	}
	return d
}

// fill takes all that is free and returns how to give it back.
func (d *smallDisk) fill() (empty func() error, err error) {
	f, err := os.Create(filepath.Join(d.dir, "filler"))
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	empty = func() error { return errors.Join(f.Close(), os.Remove(f.Name())) }
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		block := make([]byte, size)
		for {
			if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				return nil, errors.Join(err, empty())
			}
		}
	}
	return empty, nil
}

// maxFile is the limit that stands in for a full disk: a page, so that hardly a
// write of a database succeeds.
const maxFile = "4096"

// limitFiles limits the size of the files that the gateways write.
func (w *chaosWorld) limitFiles(size string) error {
	for _, n := range w.nodes {
		pid := n.pid()
		if pid == 0 {
			continue
		}
		out, err := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize="+size+":").CombinedOutput()
		if err != nil && n.pid() == pid {
			return fmt.Errorf("prlimit: %w: %s", err, out)
		}
	}
	return nil
}

// TestScriptAFullDiskRefusesAndRecovers fills the disk below a running gateway:
// a payment is refused or unknown, never charged and forgotten, and once there is
// room again the same process goes on.
func TestScriptAFullDiskRefusesAndRecovers(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t)
	if !disk.mounted {
		t.Skip("SKIPPED: nothing may be mounted here; make chaos uses RLIMIT_FSIZE instead")
	}
	d := startDemo(t, t.TempDir(), "--dsn", "sqlite:"+filepath.Join(disk.dir, "cloudpay.db"))
	pay := func(n int) (string, ran) {
		order := fmt.Sprintf("%s%016d", d.file.Merchants[0].Prefixes[0], n)
		return order, cloudpay(t, "pay", "--data", d.dir, "--order", order, "--auth-code", d.payCode(t, "wxpay", ""), "--amount", "0.02",
			"--queries", "1", "--interval", "1ms")
	}
	_, r := pay(1)
	r.want(t, exitOK, "收款成功")
	empty, err := disk.fill()
	if err != nil {
		t.Fatal(err)
	}
	order, r := pay(2)
	r.want(t, exitUnknown, "")
	if n := d.charges(t, order); n != 0 {
		t.Errorf("a payment that could not be written down was charged %d times", n)
	}
	if err := empty(); err != nil {
		t.Fatal(err)
	}
	_, r = pay(3)
	r.want(t, exitOK, "收款成功")
	if log := d.stderr.String(); strings.Contains(log, "panic") {
		t.Errorf("the gateway broke:\n%s", log)
	}
}

// chaosSet is a set of texts for many goroutines.
type chaosSet struct {
	mu  sync.Mutex
	all map[string]int
}

// add adds one and returns how often it is there.
func (s *chaosSet) add(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]int{}
	}
	s.all[text]++
	return s.all[text]
}

func (s *chaosSet) of(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[text]
}

// sum returns how many texts there are, and how often in all.
func (s *chaosSet) sum() (texts, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		times += n
	}
	return len(s.all), times
}
