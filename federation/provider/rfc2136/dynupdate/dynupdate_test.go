package dynupdate_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

const zone = rfc2136test.Zone

// inMemory loses its zone when it ends, withDatabase keeps it.
func inMemory(t *testing.T) rfc2136test.Server { return start(t, options{}).Server }

func withDatabase(t *testing.T) rfc2136test.Server {
	return start(t, options{database: filepath.Join(t.TempDir(), "zone.db")}).Server
}

func TestProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target { return inMemory(t).Target(t) })
}

func TestProviderWithDatabase(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target { return withDatabase(t).Target(t) })
}

func TestServer(t *testing.T) { rfc2136test.Run(t, withDatabase) }

// addresses is one change: a new name with an A RRset.
func addresses(label string, data ...string) plan.Change {
	name := federation.FQDN(label + ".ns.fed.svc." + string(zone))
	return plan.Change{Name: name, To: []federation.RRset{{Name: name, Type: "A", TTL: 180, Data: data}}}
}

func TestAllow(t *testing.T) {
	t.Run("X5a what the server refuses costs only itself", func(t *testing.T) {
		p := start(t, options{allow: "* A CNAME TXT"}).Provider(t, nil)
		var changes []plan.Change
		for i := range 50 {
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		const bad = 17
		changes[bad].To = append(changes[bad].To, federation.RRset{Name: changes[bad].Name, Type: "AAAA", TTL: 180,
			Data: []string{"2001:db8::1"}})
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if i == bad && !errors.Is(err, provider.ErrRefused) || i != bad && err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("X5a a message larger than the server takes is halved", func(t *testing.T) {
		p := start(t, options{limits: "max_update_records 60"}).Provider(t, nil)
		var changes []plan.Change
		for i := range 100 {
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
	})
	t.Run("X5b the largest message fits the server's default limit", func(t *testing.T) {
		s := start(t, options{})
		p := s.Provider(t, nil)
		before := s.Serial(t)
		var changes []plan.Change
		for i := range 240 { // 960 records: three prerequisites and an A each
			changes = append(changes, addresses(fmt.Sprintf("s%d", i), "192.0.2.1"))
		}
		for i, err := range p.Apply(t.Context(), nil, changes) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		if got := s.Serial(t) - before; got != 1 {
			t.Errorf("it took %d updates, want 1", got)
		}
	})
}
