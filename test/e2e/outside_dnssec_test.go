package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/scenario"
	"github.com/federation-dns/federation/test/world"
	"github.com/federation-dns/federation/test/world/outside"
)

// testValidation shows that the resolver validates, and what of the
// federation's names it can.
func testValidation(t *testing.T, w *scenario.Play, h *outside.Hierarchy) {
	in := func(domain string) string { return world.Name + ".svc." + domain + "." }
	unknown := "unknown.mynamespace.myfederation.svc."
	t.Run("a record that is as it was signed", func(t *testing.T) {
		expectSecure(t, outside.IntactName, dns.TypeA, dns.RcodeSuccess)
	})
	t.Run("a record that was changed after it was signed", func(t *testing.T) {
		r := askRecursor(t, outside.TamperedName, dns.TypeA, false)
		if r.Rcode != dns.RcodeServerFailure {
			t.Errorf("it is answered:\n%s", r)
		}
	})
	t.Run("the same, unchecked", func(t *testing.T) {
		r := askRecursor(t, outside.TamperedName, dns.TypeA, true)
		if r.Rcode != dns.RcodeSuccess || len(r.Answer) == 0 {
			t.Errorf("it is not answered, so that it proves nothing of the check:\n%s", r)
		}
	})
	t.Run("the company's name itself", func(t *testing.T) {
		expectSecure(t, "eu.nginx.acme.com.", dns.TypeCNAME, dns.RcodeSuccess)
	})
	t.Run("the way into a domain that is not signed", func(t *testing.T) {
		expectInsecure(t, "eu.nginx.acme.com.", dns.TypeA, dns.RcodeSuccess)
	})
	t.Run("the way into a signed domain", func(t *testing.T) {
		expectSecure(t, "eu.signed.acme.com.", dns.TypeA, dns.RcodeSuccess)
	})
	t.Run("P3c an unknown Service, signed", func(t *testing.T) {
		expectSecure(t, unknown+"europe-west1."+outside.SignedDomain+".", dns.TypeA, dns.RcodeNameError)
	})
	t.Run("P3c an unknown Service, not signed", func(t *testing.T) {
		expectInsecure(t, unknown+"europe-west1."+world.Domain+".", dns.TypeA, dns.RcodeNameError)
	})
	t.Run("a type that a record does not have", func(t *testing.T) {
		expectSecure(t, in(outside.SignedDomain), dns.TypeMX, dns.RcodeSuccess)
	})
	t.Run("a validator of another make agrees", func(t *testing.T) { testDelv(t, w, h, in(outside.SignedDomain)) })
}

func askRecursor(t *testing.T, name string, typ uint16, unchecked bool) *dns.Msg {
	t.Helper()
	r, err := outside.AskRecursor(t.Context(), name, typ, unchecked)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expectSecure(t *testing.T, name string, typ uint16, rcode int) {
	t.Helper()
	if r := askRecursor(t, name, typ, false); r.Rcode != rcode || !r.AuthenticatedData {
		t.Errorf("want %s and the AD bit:\n%s", dns.RcodeToString[rcode], r)
	}
}

func expectInsecure(t *testing.T, name string, typ uint16, rcode int) {
	t.Helper()
	if r := askRecursor(t, name, typ, false); r.Rcode != rcode || r.AuthenticatedData {
		t.Errorf("want %s without the AD bit:\n%s", dns.RcodeToString[rcode], r)
	}
}

// testDelv lets BIND's validator look at the signatures of the name.
func testDelv(t *testing.T, w *scenario.Play, h *outside.Hierarchy, name string) {
	anchor, err := h.Anchor()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(w.Dir(), "recursor", "delv.key")
	if err := os.WriteFile(file, []byte(anchor), 0o644); err != nil {
		t.Fatal(err)
	}
	delv := find(t, "bind9-dnsutils", "delv")
	out, err := exec.CommandContext(t.Context(), delv, "@"+outside.RecursorAddr, "-a", file, "+root=.",
		name, "A").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "; fully validated") {
		t.Errorf("delv: %v\n%s", err, out)
	}
}
