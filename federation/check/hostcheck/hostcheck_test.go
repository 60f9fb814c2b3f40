package hostcheck

import (
	"context"
	"flag"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/check/texts"
)

var update = flag.Bool("update", false, "write docs/checks.md")

// source is a syncer with a status.
type source struct {
	live.Source
	status admin.Status
}

func (s source) Status(context.Context) (*admin.Status, error) { return &s.status, nil }

// run makes one check, and returns its only finding.
func run(t *testing.T, id string, o check.Options) check.Finding {
	t.Helper()
	chosen, err := check.Select(Checks(), []string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := check.Run(t.Context(), check.NewEnv(o), chosen)
	if len(r.Results) != 1 || len(r.Results[0].Findings) != 1 {
		t.Fatalf("want one finding: %+v", r)
	}
	return r.Results[0].Findings[0]
}

func expect(t *testing.T, f check.Finding, outcome check.Outcome, text string) {
	t.Helper()
	if f.Outcome != outcome || !strings.Contains(f.Text, text) {
		t.Errorf("%+v, want %s and %q", f, outcome, text)
	}
	if outcome == check.Fail && f.Remedy == "" {
		t.Error("it does not say what to do")
	}
}

func TestFindings(t *testing.T) {
	seen := texts.Seen{}
	testSyncerVersion(t, seen)
	testKnown(t, seen)
	seen.InUnitTests(t, "hostcheck", *update)
}

func testSyncerVersion(t *testing.T, seen texts.Seen) {
	syncer := source{status: admin.Status{Version: "v0.3.0"}}
	t.Run("CK2 syncer-version passes", func(t *testing.T) {
		expect(t, run(t, "syncer-version", check.Options{Syncer: syncer, Version: "v0.2.9"}), check.OK, "v0.2.9")
	})
	t.Run("CK2 syncer-version fails", func(t *testing.T) {
		f := run(t, "syncer-version", check.Options{Syncer: syncer, Version: "v0.1.0"})
		expect(t, f, check.Fail, "v0.3.0")
		seen.Add("syncer-version", f.Outcome, f.Text, "")
	})
}
