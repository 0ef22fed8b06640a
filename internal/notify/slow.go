package notify

import (
	"context"
	"errors"
	"sync"
)

const (
	// slowAfter is how many deliveries in a row must time out before an address
	// counts as slow.
	slowAfter = 2
	// maxSlow bounds the addresses that are remembered. Whoever is forgotten costs
	// a few attempts of ten seconds.
	maxSlow = 4096
)

// slow keeps addresses that do not answer from taking every worker for ten
// seconds each: such an address gets one attempt at a time, the others fail at
// once and go on to the next step of their ladder. The first answer, whatever
// it is, ends that. The zero value is ready.
type slow struct {
	mu    sync.Mutex
	hosts map[string]*slowHost
}

type slowHost struct {
	timeouts int // in a row
	flying   int // attempts under way that began since it is remembered
}

// enter asks to call host. If ok, the caller calls leave once, with the error of
// the call.
func (s *slow) enter(host string) (leave func(error), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.hosts[host]; h != nil {
		if h.timeouts >= slowAfter && h.flying > 0 {
			return nil, false
		}
		h.flying++
		return func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			h.flying--
			s.learn(host, err)
		}, true
	}
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.learn(host, err)
	}, true
}

// learn remembers how a call ended. A call that we interrupted says nothing.
func (s *slow) learn(host string, err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case !errors.Is(err, context.DeadlineExceeded):
		delete(s.hosts, host)
		return
	}
	h := s.hosts[host]
	if h == nil {
		if s.hosts == nil {
			s.hosts = map[string]*slowHost{}
		}
		for other := range s.hosts {
			if len(s.hosts) < maxSlow {
				break
			}
			delete(s.hosts, other)
		}
		h = &slowHost{}
		s.hosts[host] = h
	}
	h.timeouts++
}
