// Package bind_test runs the suite of all providers, and that of RFC 2136 servers, against BIND from the distribution.
package bind_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation/claim/claimtest"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/rfc2136/internal/nameserver"
	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) rfc2136test.Server { return nameserver.Start(t, nameserver.BIND) }

func TestProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target { return start(t).Target(t) })
}

func TestSecondary(t *testing.T) {
	primary := start(t)
	rfc2136test.Secondary(t, primary, nameserver.Start(t, nameserver.BINDSecondary(t, primary)))
}

// TestPolicy holds what docs/providers.md says of a key that may write a subtree.
func TestPolicy(t *testing.T) {
	t.Run("X5a what a key may not write costs nothing else", func(t *testing.T) {
		s := nameserver.Start(t, nameserver.BINDWithPolicy(
			`grant syncer. subdomain svc.example.com. A AAAA CNAME TXT; `+
				`grant syncer. subdomain svc.us.example.com. A AAAA CNAME TXT;`))
		rfc2136test.Subtree(t, s, []string{"svc", "svc.us"}, "svc.eu")
	})
}

func TestTooLarge(t *testing.T) {
	t.Run("X5a RRsets of more than 100 records cost only themselves", func(t *testing.T) {
		rfc2136test.TooLarge(t, start(t), 100)
	})
}

func TestServer(t *testing.T) { rfc2136test.Run(t, start) }

func TestFigures(t *testing.T) { rfc2136test.Figures(t, start) }

func TestLevels(t *testing.T) {
	t.Run("O1b 400 levels", func(t *testing.T) {
		claimtest.ManyLevels(t, start(t).Provider(t, nil), rfc2136test.Zone)
	})
}
