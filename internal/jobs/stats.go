package jobs

import "sync/atomic"

// Stats counts what became of the jobs of one kind in this process.
type Stats struct {
	Claimed    int64 // attempts begun, or about to begin
	Finished   int64 // ended with Done
	Again      int64 // ended with Again
	Kept       int64 // ended with Kept
	Retried    int64 // failed and put on the next rung
	Buried     int64 // given to a person
	Panicked   int64 // handlers that panicked; they are counted in Buried too
	Unrecorded int64 // verdicts that could not be written: done again after the lease
	Running    int64 // attempts under way now
	Waiting    int64 // claimed and waiting for room now
}

type counters struct {
	claimed, finished, again, kept, retried, buried, panicked, unrecorded, running, waiting atomic.Int64
}

// Stats returns the counts of every kind. Each number is right by itself; they
// are not read at one instant.
func (r *Runner) Stats() map[string]Stats {
	all := make(map[string]Stats, len(r.kinds))
	for name, k := range r.kinds {
		c := &k.stats
		all[name] = Stats{
			Claimed: c.claimed.Load(), Finished: c.finished.Load(), Again: c.again.Load(), Kept: c.kept.Load(),
			Retried: c.retried.Load(), Buried: c.buried.Load(), Panicked: c.panicked.Load(),
			Unrecorded: c.unrecorded.Load(), Running: c.running.Load(), Waiting: c.waiting.Load(),
		}
	}
	return all
}
