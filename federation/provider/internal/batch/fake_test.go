package batch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
	"github.com/federation-dns/federation/federation/provider/internal/last"
)

const zone = federation.FQDN("example.com.")

// server is a batch.Server in memory. A request weighs its values.
type server struct {
	max     int // values in a request
	names   map[federation.FQDN][]federation.RRset
	foreign map[federation.FQDN][]string

	// fate is asked for each request to change something, the first is 1. Its error is the answer; done says that the
	// request is made all the same.
	fate func(n int, changes []plan.Change) (done bool, err error)
	// readFate is the same for reads.
	readFate func(n int) error

	last last.Names

	sent  []int  // changes in each request
	under []bool // whether it had a claim
	reads []federation.FQDN
}

func newServer(max int) *server {
	return &server{max: max, names: map[federation.FQDN][]federation.RRset{}, foreign: map[federation.FQDN][]string{}}
}

func (s *server) Last() *last.Names { return &s.last }

func (s *server) Limits() [3]batch.Limit { return [3]batch.Limit{{Max: s.max, What: "values"}} }

func (s *server) Weigh(c plan.Change) (w batch.Weight) {
	for _, set := range slices.Concat(c.From, c.To) {
		w[0] += len(set.Data)
	}
	return w
}

func (s *server) Read(ctx context.Context, name federation.FQDN) (batch.State, error) {
	s.reads = append(s.reads, name)
	if ctx.Err() != nil {
		return batch.State{}, ctx.Err()
	}
	if s.readFate != nil {
		if err := s.readFate(len(s.reads)); err != nil {
			return batch.State{}, err
		}
	}
	return batch.State{Sets: s.names[name], Foreign: s.foreign[name]}, nil
}

func (s *server) Send(ctx context.Context, claim *federation.RRset, changes []plan.Change) error {
	s.sent, s.under = append(s.sent, len(changes)), append(s.under, claim != nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.fate != nil {
		if done, err := s.fate(len(s.sent), changes); err != nil {
			if done {
				err = errors.Join(err, s.apply(claim, changes))
			}
			return err
		}
	}
	return s.apply(claim, changes)
}

// apply makes all the changes or none.
func (s *server) apply(claim *federation.RRset, changes []plan.Change) error {
	refused := func(format string, args ...any) error {
		return &batch.Error{Kind: batch.Refused, Err: fmt.Errorf(format, args...)}
	}
	if claim != nil {
		if is := provider.Find(s.names[claim.Name], claim.Type); is == nil || !is.Equal(*claim) {
			return refused("the claim is another")
		}
	}
	weight := 0
	for _, c := range changes {
		weight += s.Weigh(c)[0]
		if !federation.EqualRRsets(s.names[c.Name], c.From) {
			return refused("%q is another", c.Name)
		}
		if len(s.foreign[c.Name]) > 0 && len(c.To) > 0 && c.To[0].Type == federation.TypeCNAME {
			return refused("%q has other types", c.Name)
		}
		if strings.HasPrefix(string(c.Name), "bad") {
			return refused("%q is bad", c.Name)
		}
	}
	if weight > s.max {
		return refused("too heavy")
	}
	for _, c := range changes {
		s.names[c.Name] = c.To
	}
	return nil
}

func name(format string, args ...any) federation.FQDN {
	return federation.FQDN(fmt.Sprintf(format, args...) + ".fed.svc." + string(zone))
}

func address(n federation.FQDN, hosts ...int) []federation.RRset {
	set := federation.RRset{Name: n, Type: "A", TTL: 180}
	for _, h := range hosts {
		set.Data = append(set.Data, fmt.Sprintf("192.0.2.%d", h))
	}
	return []federation.RRset{set}
}

func create(n federation.FQDN) plan.Change { return plan.Change{Name: n, To: address(n, 1)} }

// many creates that many names.
func many(count int) (changes []plan.Change) {
	for i := range count {
		changes = append(changes, create(name("s%d", i)))
	}
	return changes
}

var claim = federation.RRset{Name: name("_claim"), Type: "TXT", TTL: 180, Data: []string{`"owner=test"`}}

// claimed is a server that has the claim.
func claimed(max int) *server {
	s := newServer(max)
	s.names[claim.Name] = []federation.RRset{claim}
	return s
}

// fails checks that the error is of this kind; nil is success.
func fails(t *testing.T, err, kind error) {
	t.Helper()
	if kind == nil && err != nil || kind != nil && !errors.Is(err, kind) {
		t.Errorf("error is %v, want %v", err, kind)
	}
}

// open checks that the error leaves open whether the change was made.
func open(t *testing.T, err error) {
	t.Helper()
	if err == nil || errors.Is(err, provider.ErrConflict) || errors.Is(err, provider.ErrRefused) {
		t.Errorf("error is %v, want one that leaves the outcome open", err)
	}
}
