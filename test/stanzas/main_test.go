// Package stanzas shows that beside mode works with the DNS of each platform: the chart federation-dns is installed on
// a real API server, the commands that it prints are run on the platform's published configuration, and what comes of
// them is loaded by a CoreDNS and asked.
//
// There are no pods and no kube-proxy. The two CoreDNS, the platform's and the chart's, are processes at pod addresses
// in a private network namespace; a relay of messages stands for each Service. Their Corefiles are changed in what they
// listen on and in how they reach the API server, and in nothing else.
package stanzas

import (
	"testing"

	"github.com/federation-dns/federation/test/programs"
)

func TestMain(m *testing.M) {
	programs.Main(m, "API servers, helm, CoreDNS, dig and a private network namespace")
}
