// Package federatedservice tests FederatedServices as a whole: real API servers for the host and four members, the real
// syncer with exactly the shipped rights, and a stand-in for the DNS provider.
package federatedservice

import (
	"testing"

	"github.com/federation-dns/federation/test/programs"
)

func TestMain(m *testing.M) {
	programs.Main(m, "API servers, which are built in minutes, and a private network namespace")
}
