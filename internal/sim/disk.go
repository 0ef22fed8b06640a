package sim

import (
	"context"
	"errors"
	"strings"
	"time"
)

// stopped is for how long the process still stands still, if it does: between
// SIGSTOP and SIGCONT nothing of it goes on, and afterwards everything does, each at
// a moment of its own.
func (p *process) stopped(names ...string) time.Duration {
	w := p.w
	now := w.Now()
	for _, s := range w.weather.stops {
		if !now.Before(s.from) && now.Before(s.to) {
			w.fault("process stopped")
			return s.to.Sub(now) + between(w.dice(append(names, "goes on")...), time.Microsecond, 20*time.Millisecond)
		}
	}
	return 0
}

// disk is the disk of one process.
type disk struct{ p *process }

// errFull is what a full disk says.
var errFull = errors.New("sim: database or disk is full")

// Queue implements store.Disk. Every unit of work takes a moment of its own, there
// and back: a group is committed at one moment, and who is told at one moment has
// no order. Two who waited for the same may do the same at one moment, so when they
// began is part of its name.
func (d disk) Queue(ctx context.Context, what string, args []any) (heard func() error, err error) {
	if d.p.isDead() {
		return nil, errDead
	}
	names := []string{"queue", what, d.p.w.begun(ctx)}
	for _, a := range args {
		// The other texts may be random, and so is the nonce in the content of a callback.
		if s, ok := a.(string); ok && strings.Contains(s, prefix) && !strings.HasPrefix(s, "{") {
			names = append(names, strings.ReplaceAll(s, d.p.w.dir, "")) // an error names the file
		}
	}
	d.p.w.night.count(d.p, what)
	r := d.p.w.dice(names...)
	if err := d.wait(between(r, 10*time.Microsecond, time.Millisecond) + d.p.stopped(names...)); err != nil {
		return nil, err
	}
	names = append(names, "heard", d.p.w.Now().Sub(d.p.w.start).String())
	return func() error {
		return d.wait(between(d.p.w.dice(names...), time.Microsecond, 50*time.Microsecond) + d.p.stopped(names...))
	}, nil
}

// wait lets time pass, unless the process dies meanwhile.
func (d disk) wait(t time.Duration) error {
	select {
	case <-time.After(t):
		if d.p.isDead() {
			return errDead
		}
		return nil
	case <-d.p.dead:
		return errDead
	}
}

// Commit implements store.Disk.
func (d disk) Commit(units int) error {
	if units == 0 { // the first look at the file
		return nil
	}
	w := d.p.w
	r := w.dice("commit")
	now := w.Now()
	slow := w.weather.slowDisk.at(now)
	takes := between(r, 20*time.Microsecond, 2*time.Millisecond)
	if slow {
		takes = between(r, 50*time.Millisecond, 3*time.Second)
		w.fault("slow commit")
	}
	if err := d.wait(takes + d.p.stopped("commit")); err != nil {
		return err
	}
	if w.weather.fullDisk.at(now) {
		w.fault("disk full")
		w.note("disk", "full, %d units refused", units)
		return errFull
	}
	if d.p.armed.CompareAndSwap(armedBefore, armedNot) {
		d.p.kill("before a commit")
		return errDead
	}
	return nil
}

// Full implements store.Disk. It follows Commit, and what fails in a group that
// may not grow the file shows as a group that is begun and not committed.
func (d disk) Full() bool {
	w := d.p.w
	if !w.weather.noPages.at(w.Now()) {
		return false
	}
	w.fault("group on a disk without a free page")
	w.note("disk", "has no free page")
	return true
}

// Committed implements store.Disk.
func (d disk) Committed(units int) error {
	if units == 0 {
		return nil
	}
	d.p.w.note("commit", "%d units", units)
	if d.p.armed.CompareAndSwap(armedAfter, armedNot) {
		d.p.kill("after a commit")
		return errDead
	}
	return nil
}
