package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/clouddns"
	"github.com/federation-dns/federation/test/fakecloud"
	"github.com/federation-dns/federation/test/route53"
)

var update = flag.Bool("update", false, "write what is seen into docs/providers.md")

// wrong is something that is wrong at a provider, and what the real program says.
type wrong struct {
	what     string // for docs/providers.md
	provider string // the lines of the configuration, without the endpoint
	env      []string
	amazon   func(*route53.Server)
	google   func(*clouddns.Server)
}

const (
	zoneID  = "Z0123456789ABCDEFGHIJ"
	otherID = "Z9876543210ABCDEFGHIJ"
)

func denyAmazon(action string) func(*route53.Server) {
	return func(s *route53.Server) {
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) (f fakecloud.Fate) {
			if r.Action == action {
				f.Status, f.Code = 403, "AccessDenied"
				f.Message = "User: arn:aws:iam::123456789012:user/syncer is not authorized to perform: " +
					"route53:" + action
			}
			return f
		}})
	}
}

func denyGoogle(action string) func(*clouddns.Server) {
	return func(s *clouddns.Server) {
		s.SetFaults(fakecloud.Faults{Fate: func(r fakecloud.Request) (f fakecloud.Fate) {
			if r.Action == action {
				f.Status, f.Code, f.Message = 403, "forbidden", "Forbidden"
			}
			return f
		}})
	}
}

var wrongs = []wrong{
	{what: "route53: no such hosted zone", provider: "route53: {hostedZoneID: ZNOSUCHZONE}"},
	{what: "route53: a hosted zone that does not hold the domain",
		provider: "route53: {hostedZoneID: " + otherID + "}"},
	{what: "route53: a public and a private hosted zone", provider: "route53: {}"},
	{what: "route53: the policy does not allow to read", provider: "route53: {hostedZoneID: " + zoneID + "}",
		amazon: denyAmazon("GetHostedZone")},
	{what: "route53: the policy does not allow to change", provider: "route53: {hostedZoneID: " + zoneID + "}",
		amazon: denyAmazon("ChangeResourceRecordSets")},
	{what: "route53: expired credentials", provider: "route53: {hostedZoneID: " + zoneID + "}",
		env: []string{"AWS_ACCESS_KEY_ID=" + route53.ExpiredKey}},
	{what: "route53: no credentials", provider: "route53: {hostedZoneID: " + zoneID + "}",
		env: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}},
	{what: "route53: the hosted zone is full", provider: "route53: {hostedZoneID: " + zoneID + "}",
		amazon: func(s *route53.Server) { s.SetLimits(fakecloud.Limits{RRsets: 2}) }},
	{what: "cloudDNS: no such managed zone", provider: "cloudDNS: {managedZone: no-such-zone}"},
	{what: "cloudDNS: a managed zone that does not hold the domain", provider: "cloudDNS: {managedZone: example-org}"},
	{what: "cloudDNS: a public and a private managed zone", provider: "cloudDNS: {}"},
	{what: "cloudDNS: another project", provider: "cloudDNS: {project: another-project, managedZone: example-com}"},
	{what: "cloudDNS: the role does not allow to change", provider: "cloudDNS: {managedZone: example-com}",
		google: denyGoogle("changes.create")},
	{what: "cloudDNS: credentials that Google does not take", provider: "cloudDNS: {managedZone: example-com}",
		google: func(s *clouddns.Server) { s.SetTokenFaults(clouddns.TokenFaults{Deny: true}) }},
	{what: "cloudDNS: no credentials", provider: "cloudDNS: {managedZone: example-com}",
		env: []string{"GOOGLE_APPLICATION_CREDENTIALS=none.json"}},
	{what: "cloudDNS: the managed zone is full", provider: "cloudDNS: {managedZone: example-com}",
		google: func(s *clouddns.Server) { s.SetLimits(fakecloud.Limits{RRsets: 2}) }},
}

// TestWrongProviders runs the program with each of wrongs, and holds what
// docs/providers.md says that it says; -update regenerates it.
func TestWrongProviders(t *testing.T) {
	const path = "../../docs/providers.md"
	const begin = "<!-- errors: made by go test ./cmd/federation-syncer -update -->\n"
	const end = "<!-- end of errors -->"
	lines := make([]string, len(wrongs))
	t.Run("X7", func(t *testing.T) {
		for i, w := range wrongs {
			t.Run(w.what, func(t *testing.T) {
				t.Parallel()
				lines[i] = w.said(t)
			})
		}
	})
	if t.Failed() {
		return
	}
	var table strings.Builder
	table.WriteString("\n| what is wrong | what the program says |\n|---|---|\n")
	for i, w := range wrongs {
		fmt.Fprintf(&table, "| %s | `%s` |\n", w.what, strings.ReplaceAll(lines[i], "|", `\|`))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no part between %q and %q", path, begin, end)
	}
	want := before + begin + table.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(text), want); d != "" {
		t.Errorf("%s is not what the program says (-is +wanted; -update writes it):\n%s", path, d)
	}
}

// said runs the program until its status has an error, and returns that.
func (w wrong) said(t *testing.T) string {
	dir, err := os.MkdirTemp("", "providers") // t.TempDir's are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	amazon, err := route53.Start(fakecloud.Zone{ID: zoneID, Name: "example.com."},
		fakecloud.Zone{ID: "Z00000000000000000000", Name: "example.com.", Private: true},
		fakecloud.Zone{ID: otherID, Name: "example.org."})
	if err != nil {
		t.Fatal(err)
	}
	defer amazon.Close()
	google, err := clouddns.Start(fakecloud.Zone{ID: "example-com", Name: "example.com."},
		fakecloud.Zone{ID: "internal", Name: "example.com.", Private: true},
		fakecloud.Zone{ID: "example-org", Name: "example.org."})
	if err != nil {
		t.Fatal(err)
	}
	defer google.Close()
	if w.amazon != nil {
		w.amazon(amazon)
	}
	if w.google != nil {
		w.google(google)
	}
	key, err := google.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	url := amazon.URL
	if strings.HasPrefix(w.provider, "cloudDNS") {
		url = google.URL
	}
	config := fmt.Sprintf(`apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  provider:
    %s
clusters: [{name: a, kubeconfig: {path: none}, topology: {region: r}}]
metrics: {address: "127.0.0.1:0"}
admin: {socket: admin.sock}
`, strings.Replace(strings.Replace(w.provider, "}", fmt.Sprintf(", endpoint: %q}", url), 1), "{, ", "{", 1))
	for name, data := range map[string][]byte{"config.yaml": []byte(config), "key.json": key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := slices.Concat(os.Environ(), route53.Env(), []string{"GOOGLE_APPLICATION_CREDENTIALS=key.json"})
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command("federation-syncer", args...)
		out := &bytes.Buffer{}
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(env, w.env...), out, out
		return cmd, out
	}
	program, log := run("--config", "config.yaml")
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	deadline := time.Now().Add(30 * time.Second)
	for ; said == "" && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ask, out := run("status", "--socket", "admin.sock", "-o", "json")
		var status admin.Status
		if ask.Run() == nil && json.Unmarshal(out.Bytes(), &status) == nil && len(status.Federations) > 0 {
			said = status.Federations[0].Error
		}
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := program.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	switch {
	case said == "":
		t.Fatalf("the status tells no error; the log is\n%s", log)
	case strings.Contains(said, "\n"):
		t.Errorf("%q has several lines", said)
	case !strings.Contains(log.String(), strings.ReplaceAll(said, `"`, `\"`)):
		t.Errorf("the log does not say %q:\n%s", said, log)
	}
	for _, secret := range []string{"a secret of the tests", "PRIVATE KEY", "ya29."} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has a secret:\n%s", log)
		}
	}
	return said
}
