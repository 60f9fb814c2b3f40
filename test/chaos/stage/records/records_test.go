package records

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation"
)

const path = "/api/v1/namespaces/host/configmaps"

// api is an API server with one ConfigMap.
type api struct {
	mu      sync.Mutex
	version int
	is      *corev1.ConfigMap
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case !strings.HasPrefix(r.URL.Path, path):
		fmt.Fprint(w, "something else")
	case r.Method == http.MethodPost || r.Method == http.MethodPut:
		body, _ := io.ReadAll(r.Body) // what is cut off is no ConfigMap
		want := decode(body)
		if a.is != nil && want.ResourceVersion != a.is.ResourceVersion {
			w.WriteHeader(http.StatusConflict)
			return
		}
		a.put(want)
		_ = json.NewEncoder(w).Encode(a.is) // the client sees that it is cut off
	case strings.HasSuffix(r.URL.Path, "configmaps"):
		_ = json.NewEncoder(w).Encode(corev1.ConfigMapList{Items: []corev1.ConfigMap{*a.is}})
	default:
		_ = json.NewEncoder(w).Encode(a.is)
	}
}

func (a *api) put(cm *corev1.ConfigMap) {
	a.version++
	a.is = cm
	a.is.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
	a.is.ResourceVersion = fmt.Sprint(a.version)
}

// bench is a link to an api, with what it has seen.
type bench struct {
	*api
	t       *testing.T
	link    *Link
	records Records
	seen    []Change
}

var fed = federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}

func newBench(t *testing.T) *bench {
	b := &bench{api: &api{}, t: t}
	server := httptest.NewServer(b.api)
	t.Cleanup(server.Close)
	config := &rest.Config{Host: server.URL}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	b.records = Records{Federation: fed, ConfigMaps: client.CoreV1().ConfigMaps("host")}
	if b.link, err = NewLink(server.URL, config, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.link.Close)
	b.link.Watch(b.records, func(c Change) { b.seen = append(b.seen, c) })
	return b
}

// of returns the ConfigMap with these records.
func (b *bench) of(version string, lines ...string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: b.records.head(), ResourceVersion: version},
		Data:       map[string]string{"state": `{"buckets":0}`, "records": strings.Join(lines, "\n") + "\n"},
	}
}

// put is a change by a syncer; the answer's status is 0 if there was none.
func (b *bench) put(syncer int, version string, lines ...string) (status int) {
	b.t.Helper()
	body, err := json.Marshal(b.of(version, lines...))
	if err != nil {
		b.t.Fatal(err)
	}
	method, at := http.MethodPut, path+"/"+b.records.head()
	if version == "" {
		method, at = http.MethodPost, path
	}
	return b.request(syncer, method, at, string(body))
}

func (b *bench) request(syncer int, method, at, body string) (status int) {
	b.t.Helper()
	server := b.link.servers[syncer]
	r, err := http.NewRequestWithContext(b.t.Context(), method, server.URL+at, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	client := server.Client()
	client.Timeout = 30 * time.Second
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

const (
	claim    = `_claim.fed.svc.example.com. 60 IN TXT "owner=us"`
	newClaim = `_claim.fed.svc.example.com. 60 IN TXT "owner=us2"`
	address  = "web.shop.fed.svc.example.com. 60 IN A 192.0.2.1"
	alias    = "web.shop.fed.svc.example.com. 60 IN CNAME web.shop.fed.svc.eu.example.com."
)

func TestSeen(t *testing.T) {
	const claimName, name = "_claim.fed.svc.example.com.", "web.shop.fed.svc.example.com."
	tests := []struct {
		name string
		run  func(*bench)
		want []Change
	}{
		{"a switch, and what is gone", func(b *bench) {
			b.put(0, "", claim, address)
			b.put(0, "1", claim, alias)
			b.put(0, "2", claim)
		}, []Change{
			{Made: true, Asserts: true, Names: map[string]Name{
				claimName: {"", claim + "\n"}, name: {"", address + "\n"}}},
			{Made: true, Asserts: true, Names: map[string]Name{name: {address + "\n", alias + "\n"}}},
			{Made: true, Asserts: true, Names: map[string]Name{name: {Had: alias + "\n"}}},
		}},
		{"one that has come too late", func(b *bench) {
			b.put(0, "", claim)
			b.put(1, "7", claim, address)
		}, []Change{
			{Made: true, Asserts: true, Names: map[string]Name{claimName: {"", claim + "\n"}}},
			{Syncer: 1, Asserts: true, Names: map[string]Name{name: {"", address + "\n"}}},
		}},
		{"what another program has changed is nobody's", func(b *bench) {
			b.put(0, "", claim)
			b.api.put(b.of("", address))
			b.put(0, "2", claim, address)
		}, []Change{
			{Made: true, Asserts: true, Names: map[string]Name{claimName: {"", claim + "\n"}}},
			{Made: true, Asserts: true, Names: map[string]Name{claimName: {"", claim + "\n"}}},
		}},
		{"a claim whose answer was lost is that syncer's", func(b *bench) {
			b.put(0, "", claim)
			b.link.Watch(b.records, func(c Change) { b.seen = append(b.seen, c) }) // as if it had begun now
			s := b.link.watched[fed.Name].seen
			s.version, s.names, s.unsure = "0", map[string]string{claimName: claim + "\n"}, 1
			b.api.put(b.of("", newClaim))
			b.put(0, "2", newClaim, address)
		}, []Change{
			{Made: true, Asserts: true, Names: map[string]Name{claimName: {"", claim + "\n"}}},
			{Syncer: 1, Made: true, Asserts: true, Names: map[string]Name{claimName: {claim + "\n", newClaim + "\n"}}},
			{Made: true, Asserts: true, Names: map[string]Name{name: {"", address + "\n"}}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tt.run(b)
			if d := cmp.Diff(tt.want, b.seen); d != "" {
				t.Errorf("-want +seen\n%s", d)
			}
		})
	}
	t.Run("switches", func(t *testing.T) {
		if !(Name{address, alias}).Switches() || (Name{"", alias}).Switches() || (Name{address, address}).Switches() {
			t.Error("an address that becomes an alias is a switch, and nothing else is")
		}
	})
}

func TestModes(t *testing.T) {
	b := newBench(t)
	b.put(0, "", claim)
	tests := []struct {
		name   string
		mode   Mode
		status int
		made   bool
	}{
		{"down", Mode{Down: true}, 0, false},
		{"the request is lost", Mode{LoseRequest: true}, 0, false},
		{"the reply is lost", Mode{LoseReply: true}, 0, true},
		{"it fails", Mode{Fail: true}, http.StatusInternalServerError, false},
		{"the name is refused", Mode{Refuse: "web."}, http.StatusForbidden, false},
		{"another name is refused", Mode{Refuse: "cart."}, http.StatusOK, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.t = t
			b.api.put(b.of("", claim))
			before := b.version
			b.link.Set(fed.Name, tt.mode)
			defer b.link.Set(fed.Name, Mode{})
			if status := b.put(0, b.is.ResourceVersion, claim, address); status != tt.status {
				t.Errorf("the answer is %d, want %d", status, tt.status)
			}
			if made := b.version > before; made != tt.made {
				t.Errorf("the API server has it: %t, want %t", made, tt.made)
			}
			if status := b.request(0, http.MethodGet, "/api/v1/nodes", ""); status != http.StatusOK {
				t.Errorf("what is no record of ours is answered %d", status)
			}
		})
	}
}

func TestRead(t *testing.T) {
	b := newBench(t)
	b.api.put(b.of("", claim, address))
	sets, err := b.records.Read(t.Context())
	want := Sets{"_claim.fed.svc.example.com.": {"TXT": {`"owner=us"`}},
		"web.shop.fed.svc.example.com.": {"A": {"192.0.2.1"}}}
	if d := cmp.Diff(want, sets); err != nil || d != "" {
		t.Errorf("%v, -want +read\n%s", err, d)
	}
	if err := b.records.Remove(t.Context(), func(_, typ string) bool { return typ == "TXT" }); err != nil {
		t.Fatal(err)
	}
	if got := b.is.Data["records"]; got != address+"\n" {
		t.Errorf("what is left is %q", got)
	}
}
