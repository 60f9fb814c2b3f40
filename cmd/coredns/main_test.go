package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func init() { clog.Discard() }

func TestPositionOfTheDirective(t *testing.T) {
	t.Run("Q2", func(t *testing.T) {
		at := func(d string) int { return slices.Index(dnsserver.Directives, d) }
		if at("federation") != at("k8s_external")-1 || at("k8s_external") > at("kubernetes") {
			t.Errorf("federation is %d, k8s_external %d, kubernetes %d",
				at("federation"), at("k8s_external"), at("kubernetes"))
		}
		for _, above := range []string{"metadata", "errors", "log", "rewrite", "autopath", "acl", "cache", "dnssec",
			"loadbalance", "template", "hosts"} {
			if at(above) < 0 || at(above) > at("federation") {
				t.Errorf("%s is %d, want it above federation (%d)", above, at(above), at("federation"))
			}
		}
	})
}

// apiServer is an API server of a few objects that never change.
func apiServer(t *testing.T) *httptest.Server {
	t.Helper()
	ready := true
	name, port, proto := "http", int32(80), corev1.ProtocolTCP
	meta := func(n string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: n, Namespace: "mynamespace", ResourceVersion: "1", UID: "1"}
	}
	slice := discoveryv1.EndpointSlice{ObjectMeta: meta("nginx-1"), AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"172.16.0.1"},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &proto}}}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: "nginx"}
	service := func(n, ip string) corev1.Service {
		return corev1.Service{ObjectMeta: meta(n),
			Spec: corev1.ServiceSpec{ClusterIP: ip, ClusterIPs: []string{ip}, Type: corev1.ServiceTypeClusterIP,
				Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: proto}}}}
	}
	namespace := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mynamespace", ResourceVersion: "1"}}
	list := metav1.ListMeta{ResourceVersion: "1"}
	node := corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "node1", Labels: map[string]string{
			corev1.LabelTopologyRegion: "region1", corev1.LabelTopologyZone: "zone1"}}}
	objects := map[string]any{
		"/api/v1/namespaces": corev1.NamespaceList{
			TypeMeta: metav1.TypeMeta{Kind: "NamespaceList", APIVersion: "v1"}, ListMeta: list,
			Items: []corev1.Namespace{namespace},
		},
		"/api/v1/services": corev1.ServiceList{
			TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: list,
			Items: []corev1.Service{service("nginx", "10.0.0.1"), service("dead", "10.0.0.2")},
		},
		"/apis/discovery.k8s.io/v1/endpointslices": discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}, ListMeta: list,
			Items: []discoveryv1.EndpointSlice{slice},
		},
		"/api/v1/nodes/node1": node,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		obj, ok := objects[r.URL.Path]
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.FormValue("sendInitialEvents") != "": // as servers that only know lists
			status := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
			w.WriteHeader(int(status.Code))
			_ = json.NewEncoder(w).Encode(status)
		case r.FormValue("watch") != "":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			_ = json.NewEncoder(w).Encode(obj)
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv
}

var kubernetesLine = regexp.MustCompile(`(?m)^(\s+kubernetes [^{\n]*?)(\s*\{)?$`)

// blockLine begins a server block at the usual port, readyLine is one of the
// ready plugin.
var (
	blockLine = regexp.MustCompile(`(?m)^(\S+):53 \{\n`)
	readyLine = regexp.MustCompile(`(?m)^    ready\b`)
)

// prepare changes a Corefile to the addresses that a test can have, and to
// the API server of the test.
func prepare(t *testing.T, corefile string) string {
	t.Helper()
	api := apiServer(t).URL
	corefile = kubernetesLine.ReplaceAllStringFunc(corefile, func(line string) string {
		if body, block := strings.CutSuffix(line, "{"); block {
			return body + "{\n endpoint " + api
		}
		return line + " {\n endpoint " + api + "\n }"
	})
	corefile = strings.ReplaceAll(corefile, "    health {", "    health 127.0.0.1:0 {")
	corefile = strings.ReplaceAll(corefile, "prometheus :9153", "prometheus 127.0.0.1:0")
	corefile = readyLine.ReplaceAllString(corefile, "    ready 127.0.0.1:0")
	return blockLine.ReplaceAllString(corefile, "$1:0 {\n bind 127.0.0.1\n")
}

// envConf makes the test binary be coredns, with this Corefile. With envTell
// too, it prints its address and ends with its standard input.
const envConf, envTell = "COREDNS_TEST_CONF", "COREDNS_TEST_TELL"

func TestMain(m *testing.M) {
	conf := os.Getenv(envConf)
	switch {
	case conf == "":
		os.Exit(m.Run())
	case os.Getenv(envNeighbour) != "":
		neighbour(conf)
	case os.Getenv(envTell) == "":
		os.Args = []string{"coredns", "-conf", conf}
		main()
	default:
		tellAddress(conf)
	}
}

func tellAddress(conf string) {
	corefile, err := os.ReadFile(conf)
	if err == nil {
		var instance *caddy.Instance
		instance, err = caddy.Start(caddy.CaddyfileInput{Contents: corefile, Filepath: conf, ServerTypeName: "dns"})
		if err == nil {
			fmt.Println("address", instance.Servers()[0].LocalAddr())
			_, _ = io.Copy(io.Discard, os.Stdin)
			err = instance.Stop()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve runs a CoreDNS of its own for the time of the test and returns its
// address.
func serve(t *testing.T, corefile string) string {
	t.Helper()
	cmd := command(t, corefile, envTell+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "address "); ok {
			go func() { _, _ = io.Copy(io.Discard, stdout) }() // what it says from now on
			return addr
		}
	}
	t.Fatal("CoreDNS did not tell its address")
	return ""
}

// command is coredns as a child process, with the Corefile prepared.
func command(t *testing.T, corefile string, env ...string) *exec.Cmd {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(conf, []byte(prepare(t, corefile)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), envConf+"="+conf, "NODE_NAME=node1"), env...)
	return cmd
}

// start runs a CoreDNS of its own, as two in one process share a logger, until
// it says that it serves, and ends it. It returns what it said if it ended by
// itself.
func start(t *testing.T, corefile string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := command(t, corefile)
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		in.Close()
		ended <- err
	}()
	var said strings.Builder
	serves := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if strings.HasPrefix(lines.Text(), "CoreDNS-") {
			serves = true
			cancel()
		}
	}
	err := <-ended
	switch {
	case serves:
		return nil
	case ctx.Err() != nil:
		t.Fatalf("neither served nor ended within a minute:\n%s", said.String())
	case err == nil:
		t.Fatalf("ended with status 0:\n%s", said.String())
	}
	return errors.New(said.String())
}

// corefileBlock is a fenced Corefile of a page, whichever mark and indentation the fence has.
var corefileBlock = regexp.MustCompile("(?m)^( *)(~~~+|```+) *corefile\n((?s:.*?))^ *(~~~+|```+) *$")

// corefiles returns the Corefiles that the pages of the repository show, by page and number.
func corefiles(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && path != root) {
			return cmp.Or(err, fs.SkipDir)
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		blocks := corefileBlock.FindAllStringSubmatch(string(data), -1)
		if says := strings.Count(string(data), "corefile\n"); len(blocks) != says {
			t.Errorf("%s: %d blocks of %d that say corefile are found", name, len(blocks), says)
		}
		for i, m := range blocks {
			found[fmt.Sprintf("%s %d", filepath.ToSlash(name), i+1)] = m[3]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCorefilesLoad(t *testing.T) {
	example, err := os.ReadFile(filepath.Join("..", "..", "Corefile.example"))
	if err != nil {
		t.Fatal(err)
	}
	all := corefiles(t)
	for page, least := range map[string]int{"plugin/federation/README.md": 3, "docs/plugin.md": 5,
		"docs/upgrades.md": 1} {
		if _, ok := all[fmt.Sprintf("%s %d", page, least)]; !ok {
			t.Errorf("%s has fewer than %d Corefiles", page, least)
		}
	}
	all["Corefile.example"] = string(example)
	for name, corefile := range all {
		t.Run("Q1 "+name, func(t *testing.T) {
			if err := start(t, corefile); err != nil {
				t.Errorf("%v\n%s", err, corefile)
			}
		})
	}
}

func TestRefusesToStart(t *testing.T) {
	t.Run("Q1 without a kubernetes plugin in the same server block", func(t *testing.T) {
		err := start(t, ".:53 {\n    federation {\n myfederation example.com\n }\n}\n"+
			"other.local:0 {\n    kubernetes other.local\n}\n")
		if err == nil || !strings.Contains(err.Error(), "no kubernetes plugin in this server block") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("Q12 with noendpoints", func(t *testing.T) {
		err := start(t, ".:53 {\n    federation {\n myfederation example.com\n }\n"+
			"    kubernetes cluster.local {\n noendpoints\n }\n}\n")
		if err == nil || !strings.Contains(err.Error(), "noendpoints") {
			t.Errorf("error %v", err)
		}
	})
}

// TestServer asks a whole CoreDNS over UDP.
func TestServer(t *testing.T) {
	zone := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(zone, []byte(`$ORIGIN example.com.
@ 60 IN SOA ns host 1 60 60 60 5
@ 60 IN NS ns
ns 60 IN A 192.0.2.53
dead.mynamespace.myfederation.svc.zone1 180 IN CNAME dead.mynamespace.myfederation.svc.region1
dead.mynamespace.myfederation.svc.region1 180 IN CNAME dead.mynamespace.myfederation.svc
dead.mynamespace.myfederation.svc 180 IN A 203.0.113.1
`), 0o644); err != nil {
		t.Fatal(err)
	}
	addr := serve(t, ".:53 {\n    errors\n    federation {\n myfederation example.com\n }\n"+
		"    kubernetes cluster.local\n    file "+zone+" example.com\n}\n")
	ask := func(name string, qtype uint16) *dns.Msg {
		t.Helper()
		m := new(dns.Msg)
		m.SetQuestion(name, qtype)
		var reply *dns.Msg
		var err error
		for range 100 { // the first answers may come before the sync and the node's labels
			if reply, _, err = new(dns.Client).Exchange(m, addr); err == nil && reply.Rcode == dns.RcodeSuccess {
				return reply
			}
		}
		t.Fatalf("%s: %v %v", name, reply, err)
		return nil
	}
	t.Run("Q6 healthy", func(t *testing.T) {
		m := ask("nginx.mynamespace.myfederation.svc.cluster.local.", dns.TypeA)
		if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "10.0.0.1" {
			t.Errorf("answer %v", m.Answer)
		}
	})
	t.Run("Q8 dead, followed through the same server", func(t *testing.T) {
		m := ask("dead.mynamespace.myfederation.svc.cluster.local.", dns.TypeA)
		if n := len(m.Answer); n < 2 || m.Answer[n-1].(*dns.A).A.String() != "203.0.113.1" {
			t.Errorf("answer %v", m.Answer)
		}
	})
}
