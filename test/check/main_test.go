// Package check makes checks fail and pass on a whole system: real API servers, the real syncer and CoreDNS, real DNS
// servers (CK2). What a Corefile, a record or an object says is changed there, and nothing stands for anything.
package check

import (
	"testing"

	"github.com/federation-dns/federation/test/programs"
)

func TestMain(m *testing.M) {
	programs.Main(m, "API servers, helm, CoreDNS and a private network namespace")
}
