package join

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/federation-dns/federation/federation/join"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/kube"
)

// kill ends a run after so many requests: no further one is sent.
type kill struct{ left atomic.Int64 }

var errKilled = errors.New("killed")

func killAfter(n int) *kill {
	k := &kill{}
	k.left.Store(int64(n))
	return k
}

// wrap is for both clusters: the requests to them are counted together.
func (k *kill) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if k.left.Add(-1) < 0 {
			return nil, errKilled
		}
		return next.RoundTrip(r)
	})
}

// killAfterWrites ends a run after so many requests that change something: what is there differs only after those.
func killAfterWrites(n int) func(http.RoundTripper) http.RoundTripper {
	k := killAfter(n)
	return func(next http.RoundTripper) http.RoundTripper {
		counted := k.wrap(next)
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			switch write := r.Method != http.MethodGet && r.URL.Query().Get("dryRun") == ""; {
			case write && !strings.HasSuffix(r.URL.Path, "reviews"):
				return counted.RoundTrip(r)
			case k.left.Load() <= 0:
				return nil, errKilled
			}
			return next.RoundTrip(r)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// silent is a join.Progress.
type silent struct{}

func (silent) Say(string, string)                        {}
func (silent) Wrote(string, string, join.Result, string) {}

// target is a cluster whose requests go through wrap.
func target(t testing.TB, c *kube.Cluster, wrap func(http.RoundTripper) http.RoundTripper) join.Target {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		config.Wrap(wrap)
	}
	return join.Target{Config: config, Context: c.Name()}
}

func (s *system) options(wrap func(http.RoundTripper) http.RoundTripper) join.Options {
	return join.Options{
		Name: "a", Host: target(s, s.host, wrap), Member: target(s, s.member, wrap), Namespace: namespace,
		Lease: "federation-syncer", Source: live.Socket(s.socket()), Progress: silent{},
		Spec: map[string]any{"addressCIDRs": []any{"10.0.0.0/8"}},
	}
}

// objectsOf are the objects that join makes, without what is different in each run. They do not wait for a controller.
func (s *system) objectsOf(ctx context.Context) string {
	s.Helper()
	var lines []string
	tokens := map[string]string{}
	for _, c := range []*kube.Cluster{s.member, s.host} {
		client := clientOf(s, c)
		for _, r := range kinds {
			list, err := client.Resource(r).List(ctx, metav1.ListOptions{})
			if err != nil {
				if c == s.member && r.Resource == "memberclusters" {
					continue
				}
				s.Fatal(err)
			}
			for i := range list.Items {
				o := &list.Items[i]
				if o.GetLabels()[join.LabelManagedBy] == join.Manager {
					lines = append(lines, describe(c, o, tokens))
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

var kinds = []schema.GroupVersionResource{
	corev1.SchemeGroupVersion.WithResource("namespaces"),
	corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
	corev1.SchemeGroupVersion.WithResource("secrets"),
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	{Group: "federation-dns.io", Version: "v1alpha1", Resource: "memberclusters"},
}

func clientOf(t testing.TB, c *kube.Cluster) dynamic.Interface {
	t.Helper()
	config := rest.CopyConfig(c.Config())
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// describe returns an object in a line. Of a token, and of the kubeconfig, it says which token it is.
func describe(c *kube.Cluster, o *unstructured.Unstructured, tokens map[string]string) string {
	annotations, labels := o.GetAnnotations(), o.GetLabels()
	delete(annotations, corev1.ServiceAccountUIDKey)
	delete(labels, "kubernetes.io/legacy-token-last-used")
	line := fmt.Sprint(c.Name(), " ", o.GetKind(), "/", o.GetName(), " ", annotations, " ", labels)
	for _, field := range []string{"rules", "subjects", "roleRef", "spec"} {
		if value := o.Object[field]; value != nil && o.GetKind() != "Namespace" {
			line += fmt.Sprint(" ", value)
		}
	}
	data, _ := o.Object["data"].(map[string]any)
	if text, ok := data["token"].(string); ok {
		token, _ := base64.StdEncoding.DecodeString(text) // the API server has encoded it
		tokens[string(token)] = o.GetName()
	}
	if text, ok := data["kubeconfig"].(string); ok {
		kubeconfig, _ := base64.StdEncoding.DecodeString(text) // as before
		config, err := clientcmd.Load(kubeconfig)
		if err != nil {
			return line + " " + err.Error()
		}
		for _, u := range config.AuthInfos {
			line += " with " + tokens[u.Token]
		}
	}
	return line
}

// clear deletes what join makes, but for the namespaces, which would take seconds.
func (s *system) clear(ctx context.Context) {
	s.Helper()
	for _, c := range []*kube.Cluster{s.host, s.member} {
		client := clientOf(s, c)
		for _, r := range kinds[1:] {
			in := dynamic.ResourceInterface(client.Resource(r))
			switch r.Resource {
			case "serviceaccounts", "secrets":
				in = client.Resource(r).Namespace(namespace)
			case "roles", "rolebindings":
				in = client.Resource(r).Namespace(mirror.Namespace)
			}
			err := in.DeleteCollection(ctx, metav1.DeleteOptions{},
				metav1.ListOptions{LabelSelector: join.LabelManagedBy + "=" + join.Manager})
			if err != nil && (c == s.host || r.Resource != "memberclusters") {
				s.Fatal(err)
			}
		}
	}
}

// sweep runs f killed after each number of requests, and then to its end, until it is not killed any more. After each,
// the objects have to be want.
func (s *system) sweep(
	want string, f func(wrap func(http.RoundTripper) http.RoundTripper) error, again func(),
) (n int) {
	s.Helper()
	for n = 0; ; n++ {
		err := f(killAfter(n).wrap)
		if err == nil {
			return n
		}
		if err := f(nil); err != nil {
			s.Fatalf("after a kill at request %d: %v", n, err)
		}
		if have := s.objectsOf(s.Context()); have != want {
			s.Fatalf("after a kill at request %d:\n%s\nwant\n%s", n, have, want)
		}
		again()
	}
}

func TestKilled(t *testing.T) {
	s := newSystem(t)
	s.install()
	s.start("[]")
	t.Run("J2 killed after any request and run again, join ends the same", func(t *testing.T) {
		s := s.in(t)
		run := func(wrap func(http.RoundTripper) http.RoundTripper) error {
			_, err := join.Join(s.Context(), s.options(wrap))
			return err
		}
		for n := 0; s.objectsOf(s.Context()) == ""; n++ { // until it has made the namespace
			if err := run(killAfter(n).wrap); err == nil || !strings.Contains(err.Error(), errKilled.Error()) {
				t.Fatalf("killed at request %d: %v", n, err)
			}
		}
		if err := run(nil); err != nil {
			t.Fatal(err)
		}
		want := s.objectsOf(s.Context())
		again := func() { s.clear(s.Context()) }
		again()
		n := s.sweep(want, run, again)
		t.Logf("%d requests; it ends with\n%s", n, want)
		if n < 20 {
			t.Errorf("%d requests were swept", n)
		}
	})
	t.Run("J3 killed after any write and run again, a rotation leaves one token, which is used", func(t *testing.T) {
		s := s.in(t)
		run := func(wrap func(http.RoundTripper) http.RoundTripper) error {
			opt := s.options(wrap)
			opt.Rotate, opt.Timeout = true, 30*time.Second
			_, err := join.Join(s.Context(), opt)
			return err
		}
		if _, err := join.Join(s.Context(), s.options(nil)); err != nil {
			t.Fatal(err)
		}
		numbers := regexp.MustCompile(`token-[0-9]+`)
		want := numbers.ReplaceAllString(s.objectsOf(s.Context()), "token-N")
		n := 1
		for ; ; n++ {
			err := run(killAfterWrites(n))
			if err == nil {
				break
			}
			if err := run(nil); err != nil {
				t.Fatalf("after a kill at write %d: %v", n, err)
			}
			if have := numbers.ReplaceAllString(s.objectsOf(s.Context()), "token-N"); have != want {
				t.Fatalf("after a kill at write %d:\n%s\nwant\n%s", n, have, want)
			}
		}
		t.Logf("%d writes", n)
		if n < 6 {
			t.Errorf("%d writes were swept", n)
		}
	})
}
