// Package install installs the chart of the syncer on a real API server with a real helm, and runs what its pods would
// run: the syncer as a process, with the account, the files and the user of the pod, and nothing else. It takes about a
// minute, and is part of make test.
package install

import (
	"testing"

	"github.com/federation-dns/federation/test/programs"
)

func TestMain(m *testing.M) {
	programs.Main(m, "helm, API servers, DNS servers and a private network namespace")
}
