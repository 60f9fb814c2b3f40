// Package pdns_test runs the suite of all providers, and that of RFC 2136 servers, against PowerDNS from the
// distribution.
package pdns_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/federation-dns/federation/federation/claim/claimtest"
	"github.com/federation-dns/federation/federation/provider/providertest"
	"github.com/federation-dns/federation/federation/provider/rfc2136/internal/nameserver"
	"github.com/federation-dns/federation/federation/provider/rfc2136/rfc2136test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) rfc2136test.Server {
	s := nameserver.Start(t, nameserver.PowerDNS)
	s.Strict, s.Silent = true, true
	return s
}

func TestProvider(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Target { return start(t).Target(t) })
}

func TestClocks(t *testing.T) {
	late := nameserver.Start(t, nameserver.PowerDNS.Behind(10*time.Minute))
	rfc2136test.Clocks(t, late, "both clocks")
}

func TestServer(t *testing.T) { rfc2136test.Run(t, start) }

func TestLevels(t *testing.T) {
	t.Run("O1b 400 levels", func(t *testing.T) {
		claimtest.ManyLevels(t, start(t).Provider(t, nil), rfc2136test.Zone)
	})
}
