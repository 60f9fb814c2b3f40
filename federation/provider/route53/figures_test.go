package route53_test

import (
	"flag"
	"testing"

	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
)

// full is a flag, as the race detector makes the full size slow.
var full = flag.Bool("full", false, "figures at the size of docs/providers.md, not a tenth of it")

func TestFigures(t *testing.T) {
	service.Figures(t, *full, cloudtest.Most{Tenth: 7, Full: 7}, cloudtest.Most{Tenth: 7, Full: 67})
}
