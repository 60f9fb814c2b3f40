package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/test/chaos/stage"
	"github.com/federation-dns/federation/test/chaos/truth"
	"github.com/federation-dns/federation/test/proc"
)

// settleTime is how long the records may take to become the rule's after all
// faults, and what comes of them, have ended: emptyGrace and a confirmation, a
// restless name's 10 s, an audit.
const settleTime = 25 * time.Second

// settle confirms what waits, and waits until the records are what the rule says
// of the shards as they are.
func (r *run) settle(ctx context.Context) error {
	begin := time.Now()
	var wrong []string
	for quiet := begin; ctx.Err() == nil; {
		if !r.quiet() {
			quiet = time.Now()
		}
		if _, err := r.mainSyncer().Confirm(ctx); err == nil {
			r.truth.Confirmed(time.Now())
		} else if r.mainSyncer().Ended() != nil {
			return r.mainSyncer().Ended()
		}
		var err error
		asked := time.Now()
		if wrong, err = r.differences(); err == nil && len(wrong) == 0 {
			wrong, err = r.mirrorDifferences(ctx)
		}
		if err == nil && len(wrong) == 0 {
			r.truth.MirrorsRight(asked)
			r.report.settled(time.Since(begin))
			return nil
		} else if err != nil {
			wrong = []string{err.Error()}
		}
		if time.Since(quiet) > settleTime {
			break
		}
		proc.Pause(ctx, 500*time.Millisecond)
	}
	if ctx.Err() != nil {
		return nil
	}
	r.report.violation(violation{
		Kind: "end", Name: "the records", Service: serviceOf(wrong[0]),
		Answer: strings.Join(wrong[:min(len(wrong), 40)], "\n"),
		Why: fmt.Sprintf("%s after all faults have ended, %d lines differ from the rule's (- the rule, + the records)",
			settleTime, len(wrong)),
	})
	r.report.note("status of the syncer", r.mainSyncer().Status(ctx))
	return nil
}

// quiet reports whether no fault has effects anymore.
func (r *run) quiet() bool {
	return r.truth.MirrorsQuiet(time.Now()) && !slices.ContainsFunc(stage.Zones,
		func(z stage.Zone) bool { return !r.truth.Quiet(time.Now(), string(z.Name)) })
}

func serviceOf(line string) string {
	return strings.Split(strings.TrimLeft(line, "+- "), ".")[0]
}

// differences are the lines in which the records differ from the rule's.
func (r *run) differences() (out []string, err error) {
	for i, z := range stage.Zones {
		records, err := r.transfer(i)
		if err != nil {
			return nil, err
		}
		have, want := map[string]bool{}, map[string]bool{}
		count := map[federation.ServiceName]int{}
		for name, sets := range records {
			svc, _, ours := z.ParseOwner(name)
			if !ours {
				continue
			}
			for _, typ := range []string{"A", "AAAA", "CNAME"} {
				for _, d := range sets[typ] {
					have[fmt.Sprintf("%s %s %s", name, typ, d)] = true
					count[svc]++
				}
			}
		}
		for service := range r.services {
			svc := serviceName(service)
			shards := r.shards(z, service)
			if len(shards) == 0 {
				continue // nothing is left of it (P4)
			}
			// P3c: "had" is known by the records that exist.
			sets, _ := r.levels[i].RRsets(svc, shards, count[svc] > 0)
			for _, set := range sets {
				for _, d := range set.Data {
					want[fmt.Sprintf("%s %s %s", set.Name, set.Type, d)] = true
				}
			}
		}
		for line := range want {
			if !have[line] {
				out = append(out, "- "+line)
			}
		}
		for line := range have {
			if !want[line] {
				out = append(out, "+ "+line)
			}
		}
		out = append(out, r.marks(i, records)...)
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	return out, nil
}

// shards are those of a service in a federation, as their API servers have
// them.
func (r *run) shards(z stage.Zone, service int) (out []federation.Shard) {
	for _, m := range r.stage.Members {
		s := r.truth.State(truth.Shard{Member: m.Name, Service: stage.ServiceName(service)})
		if s.Exists && s.Federation == string(z.Name) {
			out = append(out, federation.Shard{Member: m.Name, Healthy: s.Ready, Addresses: s.Addresses})
		}
	}
	return out
}

// marks compares the claims and the list of levels (O1).
func (r *run) marks(zone int, records map[federation.FQDN]map[string][]string) (out []string) {
	z := stage.Zones[zone]
	want := map[string]bool{}
	for _, lv := range r.levels[zone].All() {
		want[string(z.ClaimName(lv.Name))] = true
	}
	listed := false
	for name := range records {
		switch text := string(name); {
		case !z.Marks(text) || len(records[name]["TXT"]) == 0:
		case want[text]:
			delete(want, text)
		case strings.HasPrefix(text, "_claim."):
			out = append(out, "+ "+text+" TXT")
		default:
			listed = true
		}
	}
	for name := range maps.Keys(want) {
		out = append(out, "- "+name+" TXT")
	}
	if !listed {
		out = append(out, "- "+string(z.LevelsName())+" TXT")
	}
	return out
}
