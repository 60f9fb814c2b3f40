package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	core "github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/plugincases"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// mirrorWriter writes the mirror of federation myfed into a cluster, as a syncer does.
type mirrorWriter struct {
	t      *testing.T
	client kubernetes.Interface
	hb     mirror.Heartbeat
}

// setUp makes the namespace, and lets CoreDNS read what is there.
func (w *mirrorWriter) setUp() {
	w.t.Helper()
	ctx := w.t.Context()
	create := func(err error) {
		w.t.Helper()
		if err != nil && !apierrors.IsAlreadyExists(err) {
			w.t.Fatal(err)
		}
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: mirror.Namespace}}
	_, err := w.client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	create(err)
	meta := metav1.ObjectMeta{Name: "coredns", Namespace: mirror.Namespace}
	_, err = w.client.RbacV1().Roles(mirror.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta,
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"},
			Verbs: []string{"get", "list", "watch"}}}}, metav1.CreateOptions{})
	create(err)
	_, err = w.client.RbacV1().RoleBindings(mirror.Namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: meta,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "coredns"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: world.CoreDNSAccount,
			Namespace: world.CoreDNSNamespace}}}, metav1.CreateOptions{})
	create(err)
}

// put writes a ConfigMap.
func (w *mirrorWriter) put(name string, data map[string]string) {
	w.t.Helper()
	maps := w.client.CoreV1().ConfigMaps(mirror.Namespace)
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: mirror.Namespace,
		Labels: map[string]string{mirror.Label: "myfed"}}, Data: data}
	_, err := maps.Update(w.t.Context(), o, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		_, err = maps.Create(w.t.Context(), o, metav1.CreateOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// bucket returns the name and the data of the bucket, in which Service dead has the address.
func (w *mirrorWriter) bucket(addr string) (string, map[string]string) {
	s := mirror.Service{Namespace: "ns", Name: "dead", Levels: []mirror.Level{
		{Level: "zone1.example.com.", TTL: 180, Up: "example.com."},
		{Level: "example.com.", TTL: 180, Addresses: []mirror.Address{
			{Address: netip.MustParseAddr(addr), Members: []string{"there"}}}},
	}}
	return w.hb.BucketName(0, 1), mirror.EncodeBucket(mirror.Header{Format: mirror.Format, Identity: w.hb.Identity,
		Owner: w.hb.Owner, Set: w.hb.Set, Count: 1}, []string{s.Line()})
}

// say writes the bucket, and then the heartbeat that names it.
func (w *mirrorWriter) say(addr string) {
	w.t.Helper()
	name, data := w.bucket(addr)
	w.put(name, data)
	w.hb.Buckets[0].Hash = mirror.Hash(data)
	w.beat()
}

func (w *mirrorWriter) beat() {
	w.t.Helper()
	w.hb.Snapshot++
	w.put(w.hb.HeartbeatName(), w.hb.Encode())
}

// TestPluginMirror: a whole CoreDNS with a mirror in a real API server.
func TestPluginMirror(t *testing.T) {
	setups, err := plugincases.Setups()
	if err != nil {
		t.Fatal(err)
	}
	w := startPlugin(t)
	client, err := w.Client()
	if err != nil {
		t.Fatal(err)
	}
	usual := setup(t, setups, "usual")
	server := startSetup(t, w, usual, w.Kubeconfig(false))
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := dialPlugin(t, server.Addr)
	// eventually returns the time until Service dead has that address, and no other.
	eventually := func(t *testing.T, c *pluginClient, addr string, within time.Duration) time.Duration {
		t.Helper()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		if err := proc.Poll(ctx, "the address "+addr, func() error {
			m, err := c.ask(new(dns.Msg).SetQuestion("dead.ns.myfed.svc.cluster.local.", dns.TypeA), false)
			if err == nil && !strings.HasSuffix(plugincases.Text(m), " A "+addr) {
				err = fmt.Errorf("the answer is %s", plugincases.Text(m))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	const inZone = "203.0.113.1"
	writer := &mirrorWriter{t: t, client: client, hb: mirror.Heartbeat{
		Format: mirror.Format, Member: "here", Owner: "owner", Generation: 1, Set: "set",
		Identity: mirror.IdentityOf(core.Federation{Name: "myfed", Domain: "example.com."}),
		Buckets:  []mirror.BucketState{{Published: true}},
		Starts:   []mirror.Start{{Region: "region1", Zone: "zone1"}}, StaleUntil: time.Now().Add(time.Hour).UTC(),
	}}
	t.Run("M10 without the right it answers as before, and says so", func(t *testing.T) {
		eventually(t, c, inZone, 10*time.Second)
		if !strings.Contains(w.Log(server), `the mirrors in namespace "federation-mirror" may not be read`) {
			t.Errorf("it has logged\n%s", w.Log(server))
		}
	})
	t.Run("M10 once it has the right it reads, without a restart", func(t *testing.T) {
		writer.setUp()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := proc.Poll(ctx, "the mirrors to be read", func() error {
			if !strings.Contains(w.Log(server), "can be read now") {
				return fmt.Errorf("it has logged\n%s", w.Log(server))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("M5 a mirror that is written while it watches is fresh with its second heartbeat", func(t *testing.T) {
		writer.say("203.0.113.51")
		writer.beat()
		eventually(t, c, "203.0.113.51", 5*time.Second)
	})
	t.Run("M5 a change is answered at once", func(t *testing.T) {
		writer.say("203.0.113.52")
		t.Logf("after %v", eventually(t, c, "203.0.113.52", 5*time.Second))
	})
	t.Run("M4 a bucket that is edited by hand is not used", func(t *testing.T) {
		name, data := writer.bucket("203.0.113.66")
		writer.put(name, data)
		eventually(t, c, inZone, 5*time.Second)
		name, data = writer.bucket("203.0.113.52")
		writer.put(name, data)
		eventually(t, c, "203.0.113.52", 5*time.Second)
	})
	t.Run("M4 a CoreDNS that starts looks up, until it sees a heartbeat", func(t *testing.T) {
		other := startSetup(t, w, usual, w.Kubeconfig(false))
		if err := other.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := dialPlugin(t, other.Addr)
		eventually(t, c, inZone, 5*time.Second)
		writer.beat()
		eventually(t, c, "203.0.113.52", 5*time.Second)
	})
	t.Run("M4 the namespace is deleted, and made again", func(t *testing.T) {
		ctx := t.Context()
		if err := client.CoreV1().Namespaces().Delete(ctx, mirror.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, c, inZone, 30*time.Second)
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := proc.Poll(ctx, "the namespace to be gone", func() error {
			_, err := client.CoreV1().Namespaces().Get(ctx, mirror.Namespace, metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		writer.setUp()
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for beat := time.NewTicker(time.Second); ; {
			writer.say("203.0.113.53")
			m, err := c.ask(new(dns.Msg).SetQuestion("dead.ns.myfed.svc.cluster.local.", dns.TypeA), false)
			if err == nil && strings.HasSuffix(plugincases.Text(m), " A 203.0.113.53") {
				break
			}
			select {
			case <-beat.C:
			case <-ctx.Done():
				t.Fatal("the new mirror is not answered")
			}
		}
	})
	t.Run("M6 without a heartbeat it is not fresh for long", func(t *testing.T) {
		took := eventually(t, c, inZone, 20*time.Second)
		if took < 10*time.Second {
			t.Errorf("after %v", took)
		}
	})
}
