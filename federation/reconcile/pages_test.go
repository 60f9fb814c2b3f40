package reconcile

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	adminweb "github.com/federation-dns/federation/federation/admin/web"
	"github.com/federation-dns/federation/federation/snapshot"
)

// shown is a loop as the page sees it.
type shown struct{ loop *Loop }

func (s shown) Snapshots() []*snapshot.Federation { return []*snapshot.Federation{s.loop.Snapshot()} }

func (s shown) Leader() string { return "" }

// BenchmarkPages measures changes while nobody looks, and while ten pages are open, each with a view of its own (W2).
// `make bench-readers` runs it; docs/performance.md has results.
func BenchmarkPages(b *testing.B) {
	if *scaleMembers == 0 {
		return
	}
	s := newScale(*scaleMembers, *scaleServices)
	s.start(b)
	rng := rand.New(rand.NewPCG(1, 1))
	quiet := s.changes(rng, *scaleChanges, 0)

	page := adminweb.NewServer(shown{s.loop}, "")
	server := httptest.NewUnstartedServer(page)
	server.Config = admin.NewServer(page)
	server.Start()
	ctx, stop := context.WithCancel(b.Context())
	var open sync.WaitGroup
	var octets atomic.Int64
	for _, view := range append([]string{"/", "/services"}, serviceViews(s, 8)...) {
		open.Go(func() {
			n, err := watchPage(ctx, server.URL+"/live?view="+url.QueryEscape(view))
			if octets.Add(n); ctx.Err() == nil {
				b.Errorf("%s has ended: %v", view, err)
			}
		})
	}
	watched := s.changes(rng, *scaleChanges, 1)
	stop()
	open.Wait()
	page.Close()
	server.Close()
	fmt.Printf("%7d %8d %9.1f %9.1f %9.1f %9.1f %9.1f %7d %9d\n", *scaleMembers, *scaleServices, percentile(quiet, 99),
		percentile(watched, 50), percentile(watched, 99), percentile(watched, 100),
		percentile(watched, 99)/percentile(quiet, 99), 10, octets.Load()>>10)
}

// serviceViews are n views: searches of the list, and single services.
func serviceViews(s *scale, n int) (views []string) {
	for _, v := range s.loop.Snapshot().Views.List()[:n] {
		if len(views)%2 == 0 {
			views = append(views, "/services?q="+url.QueryEscape(v.Name.Name))
		} else {
			views = append(views, "/service/fed/example.com/"+v.Name.Namespace+"/"+v.Name.Name)
		}
	}
	return views
}

// watchPage receives a view until ctx ends, and returns how many octets that was.
func watchPage(ctx context.Context, address string) (octets int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	return io.Copy(io.Discard, res.Body)
}
