package mirror

import (
	"testing"
	"time"

	form "github.com/federation-dns/federation/federation/mirror"
)

// TestPulse: when a mirror is fresh. Times are seconds.
func TestPulse(t *testing.T) {
	const list, change, gone = "list", "change", "gone"
	type step struct {
		at   float64
		what string // or "": nothing happens
		g, s uint64 // generation and snapshot
		want bool   // fresh afterwards
	}
	for _, tc := range []struct {
		rule  string
		steps []step
	}{
		{"M4 what is listed is not fresh, until it is seen to change", []step{
			{0, list, 1, 7, false}, {4.9, "", 0, 0, false}, {5, change, 1, 8, true}}},
		{"M4 a list without a change never is", []step{
			{0, list, 1, 7, false}, {10, list, 1, 8, false}, {20, list, 1, 9, false}, {30, list, 1, 10, false}}},
		{"M4 a change vouches for 15 s", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {19.9, "", 0, 0, true}, {20, "", 0, 0, false}}},
		{"M4 each change counts", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {10, change, 1, 9, true}, {24.9, "", 0, 0, true}}},
		{"M4 a change of anything but the snapshot is none", []step{
			{0, list, 1, 7, false}, {5, change, 1, 7, false}, {10, change, 1, 8, true}, {15, change, 1, 8, true},
			{25, "", 0, 0, false}}},
		{"M4 a list leaves it as fresh as it was, and no fresher", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {10, list, 1, 9, true}, {19.9, "", 0, 0, true},
			{20, "", 0, 0, false}}},
		{"M4 a new leader's change counts", []step{
			{0, list, 1, 7, false}, {5, change, 2, 1, true}}},
		{"M4 a deposed leader's late write does not", []step{
			{0, list, 2, 7, false}, {5, change, 2, 8, true}, {10, change, 1, 99, true}, {20, "", 0, 0, false}}},
		{"M4 and what comes after it does", []step{
			{0, list, 2, 7, false}, {5, change, 2, 8, true}, {6, change, 1, 99, true}, {10, change, 2, 9, true},
			{24.9, "", 0, 0, true}}},
		{"M4 an earlier generation that goes on alone is believed in the end", []step{
			{0, list, 2, 7, false}, {5, change, 2, 8, true}, {10, change, 1, 9, true}, {21, change, 1, 10, false},
			{26, change, 1, 11, true}}},
		{"M4 etcd restored, seen by the watch", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {10, change, 1, 3, false}, {11, change, 1, 9, true}}},
		{"M4 etcd restored, seen by a list", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {10, list, 1, 3, false}, {15, change, 1, 9, true}}},
		{"M4 etcd restored over a change of leader", []step{
			{0, list, 2, 7, false}, {5, change, 2, 8, true}, {10, list, 1, 3, false}, {15, change, 2, 9, true}}},
		{"M4 a heartbeat that is deleted ends it at once, and one that is put back does not begin it", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {6, gone, 0, 0, false}, {7, change, 1, 8, false},
			{8, change, 1, 9, true}}},
		{"M4 a watch that has stalled delivers late: that does not count", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {60, change, 1, 9, false}, {60.1, change, 1, 10, false},
			{60.9, change, 1, 19, false}, {75, "", 0, 0, false}}},
		{"M4 and what comes after that does", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {60, change, 1, 9, false}, {65, change, 1, 10, true}}},
		{"M4 a watch that stalls right after the list", []step{
			{0, list, 1, 7, false}, {30, change, 1, 8, false}, {30.1, change, 1, 9, false}, {35, change, 1, 10, true}}},
		{"M4 one that stalls again", []step{
			{0, list, 1, 7, false}, {30, change, 1, 8, false}, {60, change, 1, 9, false},
			{60.5, change, 1, 10, false}}},
		{"M4 a list after a silence begins anew", []step{
			{0, list, 1, 7, false}, {5, change, 1, 8, true}, {60, list, 1, 20, false}, {60.1, change, 1, 21, true}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var p pulse
			start := time.Now()
			for i, s := range tc.steps {
				now := start.Add(time.Duration(s.at * float64(time.Second)))
				h := &form.Heartbeat{Generation: s.g, Snapshot: s.s}
				switch s.what {
				case list:
					p.listed(now, h)
				case change:
					p.changed(now, h)
				case gone:
					p.gone()
				}
				if got := p.fresh(now); got != s.want {
					t.Fatalf("step %d, %v: fresh %v, want %v", i, s, got, s.want)
				}
			}
		})
	}
}
