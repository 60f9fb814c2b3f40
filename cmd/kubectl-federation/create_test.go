package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/docs"
)

// kubeconfigOf writes a kubeconfig for a stand-in, and returns its path.
func kubeconfigOf(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: host,
    contexts: [{name: host, context: {cluster: host, user: me, namespace: mynamespace}}],
    clusters: [{name: host, cluster: {server: %q}}], users: [{name: me, user: {token: secret}}]}`, server)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// createHost is a host cluster that takes FederatedServices, but for those whose names say otherwise.
type createHost struct {
	*testing.T
	kubeconfig string
	created    []string
	queries    []string
}

func newCreateHost(t *testing.T) *createHost {
	h := &createHost{T: t}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.kubeconfig = kubeconfigOf(t, server.URL)
	return h
}

func (h *createHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var o struct {
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(body, &o); err != nil {
		h.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
	w.Header().Set("Content-Type", "application/json")
	code, reason, message := 0, "", ""
	switch o.Metadata.Name {
	case "there":
		code, reason, message = http.StatusConflict, "AlreadyExists", `federatedservices "there" already exists`
	case "forbidden":
		code, reason, message = http.StatusForbidden, "Forbidden", `User "me" cannot create`
	case "elsewhere":
		code, reason, message = http.StatusNotFound, "NotFound", "the server could not find the requested resource"
	case "homeless":
		code, reason, message = http.StatusNotFound, "NotFound", `namespaces "mynamespace" not found`
	case "bad":
		code, reason, message = http.StatusUnprocessableEntity, "Invalid", `FederatedService "bad" is invalid`
	default:
		h.created = append(h.created, o.Metadata.Namespace+"/"+o.Metadata.Name)
		h.queries = append(h.queries, r.Method+" "+r.URL.RawQuery)
		_, _ = w.Write(body)
		return
	}
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`,
		reason, message, code)
}

// service is the manifest of a Service.
func service(name string) string {
	return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {ports: [{port: 80}]}\n"
}

func TestCreate(t *testing.T) {
	nginx := filepath.Join("testdata", "services", "nginx.yaml")
	t.Run("V3 a Service becomes a FederatedService of the host", func(t *testing.T) {
		h := newCreateHost(t)
		out, notes, err := run(t.Context(), "", "create", "-f", nginx, "--kubeconfig", h.kubeconfig)
		if err != nil || !slices.Equal(h.created, []string{"mynamespace/nginx"}) {
			t.Fatalf("%v, created %q", err, h.created)
		}
		if want := "POST fieldManager=kubectl-federation-create&fieldValidation=Strict"; h.queries[0] != want {
			t.Errorf("%q, want %q", h.queries[0], want)
		}
		plan, planNotes, err := run(t.Context(), "", "create", "-f", nginx, "-n", "mynamespace", "--dry-run=client",
			"-o", "yaml")
		if err != nil || planNotes != notes {
			t.Errorf("%v, notes %q", err, planNotes)
		}
		docs.CheckGenerated(t, "../../docs/cli.md", "cmd/kubectl-federation", *update, map[string]string{
			"create": "~~~ yaml\n" + read(t, nginx) + "~~~\n\n" +
				"    $ kubectl federation create -f services/nginx.yaml\n" + indented(notes+out) +
				"\nThat is, with `--dry-run=client -o yaml`:\n\n~~~ yaml\n" + plan + "~~~\n",
		})
	})
	t.Run("V3 one that is refused stops no other", func(t *testing.T) {
		h := newCreateHost(t)
		in := service("first") + service("bad") + service("there") + "---\napiVersion: v1\nkind: Secret\n" +
			"metadata: {name: s}\n" + service("last")
		out, errs, err := run(t.Context(), in, "create", "-f", "-", "--federation", "fed", "--kubeconfig", h.kubeconfig)
		if exitCode(err) != exitBad || !slices.Equal(h.created, []string{"mynamespace/first", "mynamespace/last"}) {
			t.Errorf("%v, created %q", err, h.created)
		}
		if want := "federatedservice.federation-dns.io/first created\n" +
			"federatedservice.federation-dns.io/last created\n"; out != want {
			t.Errorf("%q, want %q", out, want)
		}
		if want := `error: standard input: service/bad: FederatedService "bad" is invalid
error: standard input: service/there: there is a FederatedService of this name in mynamespace already: ` +
			`change it by kubectl edit, or by kubectl apply as --help says
error: standard input: secret/s: only a Service has a FederatedService: create the Secret in each member, by kubectl
`; errs != want {
			t.Errorf("%s, want\n%s", errs, want)
		}
	})
	t.Run("V3 a file of a folder that cannot be read stops no other", func(t *testing.T) {
		h, dir := newCreateHost(t), t.TempDir()
		for name, text := range map[string]string{
			"a.yaml": service("a"), "b.yaml": "a: [", "c.yaml": service("c"), "d.txt": "no manifest",
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, errs, err := run(t.Context(), "", "create", "-f", dir, "--federation", "fed", "--kubeconfig", h.kubeconfig)
		if exitCode(err) != exitBad || !slices.Equal(h.created, []string{"mynamespace/a", "mynamespace/c"}) ||
			!strings.Contains(errs, "b.yaml") {
			t.Errorf("%v, created %q, %s", err, h.created, errs)
		}
	})
	t.Run("V3 a dry run of the server creates nothing, and says so", func(t *testing.T) {
		h := newCreateHost(t)
		out, _, err := run(t.Context(), service("a"), "create", "-f", "-", "--federation", "fed", "--dry-run=server",
			"--kubeconfig", h.kubeconfig)
		if err != nil || out != "federatedservice.federation-dns.io/a created (server dry run)\n" ||
			!strings.Contains(h.queries[0], "dryRun=All") {
			t.Errorf("%v %q %q", err, out, h.queries)
		}
	})
	t.Run("V3 a List, and the names for scripts", func(t *testing.T) {
		h := newCreateHost(t)
		in := `{"apiVersion": "v1", "kind": "List", "items": [
			{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {}},
			{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}, "spec": {}}]}`
		out, _, err := run(t.Context(), in, "create", "-f", "-", "--federation", "fed", "-o", "name", "--kubeconfig",
			h.kubeconfig)
		const kind = "federatedservice.federation-dns.io/"
		if err != nil || out != kind+"a\n"+kind+"b\n" {
			t.Errorf("%v %q", err, out)
		}
	})
	t.Run("V3 the only federation of the syncer needs no flag", func(t *testing.T) {
		h := newCreateHost(t)
		socket := serve(t, &fakeSyncer{status: testStatus})
		out, errs, err := run(t.Context(), service("a"), "create", "-f", "-", "--socket", socket, "--kubeconfig",
			h.kubeconfig, "-o", "yaml")
		if err != nil || !strings.Contains(out, "federation: myfederation\n") {
			t.Errorf("%v %s %s", err, errs, out)
		}
	})
	two := func() *admin.Status {
		return &admin.Status{Federations: []admin.FederationStatus{{Name: "b"}, {Name: "a"}, {Name: "a"}}}
	}
	several := serve(t, &fakeSyncer{status: two})
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, c := range []struct {
		name, in, args, want string
		code                 int
	}{
		{"V3 several federations", service("a"), "-f - --socket " + several, "standard input: service/a: it has no " +
			"label federation-dns.io/federation: say --federation NAME: the syncer keeps a, b", exitBad},
		{"V3 no syncer to ask", service("a"), "-f - --socket none.sock", "standard input: service/a: it has no label " +
			"federation-dns.io/federation: say --federation NAME (the syncer, which knows its federations, cannot be " +
			"asked: no syncer answers on socket", exitUnknown},
		{"V3 no label and no flag in a dry run", service("a"), "-f - --dry-run=client", "standard input: service/a: " +
			"it has no label federation-dns.io/federation: say --federation NAME", exitBad},
		{"V3 no file", "", "", "a file is missing: say -f FILE, or - for the standard input", exitUnknown},
		{"V3 no such file", "", "-f none.yaml", `the path "none.yaml" does not exist`, exitBad},
		{"V3 nothing in it", "---\n", "-f -", "there is no Service in what -f names", exitBad},
		{"V3 no such dry run", service("a"), "-f - --dry-run=yes", "--dry-run=yes: none, client and server are allowed",
			exitUnknown},
		{"V3 no such output", service("a"), "-f - -o xml", "unable to match a printer suitable for the output format " +
			`"xml", allowed formats are: json,kyaml,name,yaml`, exitUnknown},
		{"V3 another namespace", strings.Replace(service("a"), "name: a", "name: a, namespace: shop", 1),
			"-f - -n mail --federation fed",
			`standard input: service/a: it is in the namespace "shop", and -n says "mail"`, exitBad},
		{"V3 no right", service("forbidden"), "-f - --federation fed", "standard input: service/forbidden: you may " +
			"not create FederatedServices in mynamespace: the role edit there has that right", exitBad},
		{"V3 no such namespace", service("homeless"), "-f - --federation fed",
			`standard input: service/homeless: namespaces "mynamespace" not found`, exitBad},
		{"V3 not the host", service("elsewhere"), "-f - --federation fed", "has no FederatedServices: is it the host " +
			"of the syncer? Choose that by --context, or apply deploy/crds there", exitBad},
		{"V3 no answer", service("a") + service("b"), "-f - --federation fed --kubeconfig " + kubeconfigOf(t, down.URL),
			"connection refused\nerror: 1 more were not tried", exitUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"create"}, strings.Fields(c.args)...)
			if !strings.Contains(c.args, "--kubeconfig") {
				args = append(args, "--kubeconfig", newCreateHost(t).kubeconfig)
			}
			out, errs, err := run(t.Context(), c.in, args...)
			if err == nil || exitCode(err) != c.code || !strings.Contains(errs+err.Error(), c.want) || out != "" {
				t.Errorf("exit code %d, want %d, error\n%v\n%s\nwant\n%s", exitCode(err), c.code, err, errs, c.want)
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
