package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write the golden files and docs/cli.md")

// verbs are the command lines whose output is golden, and stands in docs/cli.md.
var verbs = []struct {
	name string // rule and golden file
	args string
	code int
	page bool // it is shown on the page
}{
	{"V2 clusters", "clusters", exitBad, true},
	{"V2 clusters-wide", "clusters -o wide", exitBad, false},
	{"V2 clusters-yaml", "clusters -o yaml", exitBad, false},
	{"V4 services", "services", exitGood, true},
	{"V4 services-wide", "services -o wide", exitGood, false},
	{"V4 services-namespace", "services -n shop", exitGood, false},
	{"V4 service", "services nginx -n mynamespace", exitGood, true},
	{"V4 service-held", "services cart.shop", exitGood, false},
	{"V4 service-unpublished", "services shop/pay", exitBad, true},
	{"V4 service-json", "services nginx.mynamespace.myfederation -o json", exitGood, false},
	{"V5 records", "records nginx.mynamespace", exitGood, true},
	{"V5 records-wide", "records nginx.mynamespace -o wide", exitGood, false},
	{"V5 records-none", "records pay.shop", exitBad, false},
	{"V6 explain", "explain nginx.mynamespace.myfederation --from gce-asia-east1", exitGood, true},
	{"V6 explain-local", "explain nginx.mynamespace.myfederation.svc.cluster.local. --from gce-us-central1", exitGood,
		true},
	{"V6 explain-other-zone", "explain cart.shop.myfederation --from gce-europe-west1", exitGood, false},
	{"V6 explain-none", "explain pay.shop.myfederation --from onprem-fra", exitBad, false},
	{"V6 explain-port", "explain _http._tcp.nginx.mynamespace.myfederation --from gce-asia-east1", exitBad, false},
	{"V6 explain-json", "explain nginx.mynamespace.myfederation --from gce-asia-east1 -o json", exitGood, false},
	{"V6 explain-wide", "explain nginx.mynamespace.myfederation --from gce-asia-east1 -o wide", exitGood, false},
	{"V6 mirror-explain", "explain nginx.mynamespace.myfederation --from gce-asia-east1", exitGood, true},
	{"V6 mirror-port", "explain _http._tcp.nginx.mynamespace.myfederation --from gce-asia-east1", exitGood, false},
	{"V6 mirror-explain-json", "explain nginx.mynamespace.myfederation --from gce-asia-east1 -o json", exitGood, false},
	{"V6 mirror-local", "explain nginx.mynamespace.myfederation --from gce-europe-west1", exitGood, false},
	{"V6 mirror-refused", "explain cart.shop.myfederation --from gce-us-central1", exitGood, true},
	{"V2 mirror-clusters", "clusters", exitBad, true},
	{"V2 mirror-clusters-wide", "clusters -o wide", exitBad, false},
	{"V7 drain-file", "drain onprem-fra", exitBad, false},
	{"V7 drain-json", "drain onprem-fra -o json", exitGood, false},
	{"V8 confirm", "confirm", exitBad, true},
	{"V8 confirm-wide", "confirm -o wide", exitBad, false},
	{"CK4 check", "check --only host,member-reachable,member-rbac,member-topology,member-version", exitBad, true},
	{"CK4 check-short", "check --only host,member-reachable,member-rbac -o short", exitBad, false},
	{"CK4 check-wide", "check --only host,member-reachable,member-rbac -o wide", exitBad, false},
	{"CK4 check-json", "check --only host,member-reachable -o json", exitBad, false},
	{"V10 version", "version", exitGood, true},
	{"V10 version-wide", "version -o wide", exitGood, false},
}

func TestVerbs(t *testing.T) {
	plain, mirrors := serve(t, &fakeSyncer{status: testStatus}), serve(t, &fakeSyncer{status: testMirrors})
	parts := map[string]string{}
	for _, v := range verbs {
		t.Run(v.name, func(t *testing.T) {
			socket := plain
			if strings.Contains(v.name, " mirror-") {
				socket = mirrors
			}
			out, _, err := run(t.Context(), "", append(strings.Fields(v.args), "--socket", socket)...)
			if code := exitCode(err); code != v.code {
				t.Errorf("exit code %d, want %d: %v", code, v.code, err)
			}
			_, file, _ := strings.Cut(v.name, " ")
			golden(t, file, out)
			wide := strings.Contains(v.args, "-o ")
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if !wide && len(line) > 80 && !strings.Contains(line, "_http._tcp.") { // a name is not broken
					t.Errorf("%d columns, more than 80:\n%s", len(line), line)
				}
			}
			if v.page {
				parts[file] = "    $ kubectl federation " + v.args + "\n" + indented(strings.TrimRight(out, " \n")+"\n")
			}
		})
	}
	cmd := rootCommand("kubectl federation", nil)
	var usage strings.Builder
	for _, c := range cmd.Commands() {
		usage.WriteString("\n## " + c.Name() + "\n\n" + c.Long + "\n")
		usage.WriteString("\n" + indented("usage: kubectl federation "+strings.TrimSuffix(c.Use, " [flags]")+"\n\n"+
			c.LocalFlags().FlagUsagesWrapped(80)))
	}
	parts["flags"] = indented(cmd.PersistentFlags().FlagUsagesWrapped(100))
	parts["verbs"] = strings.TrimSpace(usage.String()) + "\n"
	docs.CheckGenerated(t, "../../docs/cli.md", "cmd/kubectl-federation", *update, parts)
}

// golden compares a text with a golden file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got (go test ./cmd/kubectl-federation -update writes it anew):\n%s", diff)
	}
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line == "\n" {
			b.WriteString(line)
		} else {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}

func TestErrors(t *testing.T) {
	socket := serve(t, &fakeSyncer{status: testStatus})
	standby := serve(t, &fakeSyncer{status: func() *admin.Status { return &admin.Status{Leader: "syncer-1_u"} }})
	for _, c := range []struct {
		name, args, want string
		code             int
	}{
		{"V6 an unknown member: those known", "explain nginx.mynamespace.myfederation --from gce-asia",
			`"gce-asia" is no member of federation "myfederation": its members are gce-asia-east1, gce-europe-west1, ` +
				`gce-us-central1, onprem-fra`, exitBad},
		{"V6 an unknown zone: those known", "explain nginx.mynamespace.myfederation --from gce-asia-east1 --zone b",
			`member "gce-asia-east1" has no node in topology zone "b": its zones are asia-east1-a`, exitBad},
		{"V6 an unknown service: the nearest", "explain ngnix.mynamespace.myfederation --from onprem-fra",
			`service "mynamespace/ngnix" is in no member: did you mean mynamespace/nginx?`, exitBad},
		{"V6 an unknown federation: those known", "explain nginx.mynamespace.fed --from onprem-fra",
			`name "nginx.mynamespace.fed": "fed" is no federation of this syncer, which has myfederation in ` +
				`example.com`, exitBad},
		{"V6 the name of a record", "explain nginx.mynamespace.myfederation.svc.fra.example.com --from onprem-fra",
			`name "nginx.mynamespace.myfederation.svc.fra.example.com" is that of a record, which is the same from ` +
				`everywhere: pods ask for nginx.mynamespace.myfederation`, exitBad},
		{"V6 a name without a namespace", "explain nginx.myfederation --from onprem-fra",
			`name "nginx.myfederation": want SERVICE.NAMESPACE.myfederation, with _PORT._PROTO. or ENDPOINT. ` +
				`before it or not`, exitBad},
		{"V6 no member", "explain nginx.mynamespace.myfederation", "--from MEMBER is required: the member in which " +
			"the pod is (kubectl federation clusters lists them)", exitUnknown},
		{"V4 an unknown service in a namespace", "services nginx -n shop",
			`service "shop/nginx" is in no member: did you mean mynamespace/nginx?`, exitBad},
		{"V4 nothing like it", "services frontend",
			`service "frontend" is in no member: has it the label federation-dns.io/federation? (kubectl federation ` +
				`services lists what there is)`, exitBad},
		{"V5 no name", "records", "NAME is missing (kubectl federation records --help)", exitUnknown},
		{"V7 an unknown member: those known", "drain gce-asia",
			`"gce-asia" is no member of federation "myfederation": its members are gce-asia-east1, gce-europe-west1, ` +
				`gce-us-central1, onprem-fra`, exitBad},
		{"V7 no member", "uncordon", "MEMBER is missing (kubectl federation uncordon --help)", exitUnknown},
		{"V7 a member of the file: the line to edit", "drain onprem-fra", `"onprem-fra" is a member of the syncer's ` +
			"configuration file, which is edited where it comes from: add this line to the entry " +
			"`- name: onprem-fra` under `clusters:` in /etc/federation-syncer/config.yaml, and the syncer reads it " +
			"again by itself:\n    drain: true", exitBad},
		{"V7 an object, but of which cluster", "drain gce-us-central1", `"gce-us-central1" is a MemberCluster of the ` +
			`syncer's host cluster: say by --context or --kubeconfig, beside --socket, which cluster that is`, exitBad},
		{"V2 an unknown output", "clusters -o xml", `output "xml": json, yaml and wide are allowed`, exitUnknown},
		{"V2 an unknown flag", "clusters --wide", "unknown flag: --wide (kubectl federation clusters --help)",
			exitUnknown},
		{"V2 an argument too many", "clusters all",
			`unexpected argument "all" (kubectl federation clusters --help)`, exitUnknown},
		{"V2 a replica that stands by", "clusters --socket " + standby,
			`this replica stands by: ask "syncer-1_u", which writes`, exitUnknown},
		{"V2 no syncer", "clusters --socket none.sock", `no syncer answers on socket "none.sock" (is it running, ` +
			`and may you open its socket?): connect: no such file or directory`, exitUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := strings.Fields(c.args)
			if !strings.Contains(c.args, "--socket") {
				args = append(args, "--socket", socket)
			}
			_, _, err := run(t.Context(), "", args...)
			if err == nil || err.Error() != c.want || exitCode(err) != c.code {
				t.Errorf("exit code %d, want %d, error\n%v\nwant\n%s", exitCode(err), c.code, err, c.want)
			}
		})
	}
}

func TestConfirm(t *testing.T) {
	f := &fakeSyncer{status: testStatus, confirmed: make(chan []admin.Waiting, 1)}
	socket := serve(t, f)
	t.Run("V8 what was shown is confirmed after a yes, and nothing else", func(t *testing.T) {
		out, _, err := run(t.Context(), "y\n", "confirm", "--socket", socket)
		if err != nil || !strings.HasSuffix(out, "confirmed: 2 of 2 still waited\n") {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(testStatus().Federations[0].Waiting, <-f.confirmed); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("V8 nothing is confirmed after a no", func(t *testing.T) {
		_, _, err := run(t.Context(), "n\n", "confirm", "--socket", socket)
		if err == nil || exitCode(err) != exitBad || len(f.confirmed) > 0 {
			t.Errorf("%v, confirmed %d", err, len(f.confirmed))
		}
	})
	t.Run("V8 another federation has nothing", func(t *testing.T) {
		out, _, err := run(t.Context(), "", "confirm", "--federation", "other", "--yes", "--socket", socket)
		if err != nil || out != "nothing waits\n" {
			t.Errorf("%v %q", err, out)
		}
	})
}
