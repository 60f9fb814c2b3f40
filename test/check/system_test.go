package check

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corednscheck"
	"github.com/federation-dns/federation/federation/check/dnscheck"
	"github.com/federation-dns/federation/federation/check/servicecheck"
	"github.com/federation-dns/federation/federation/live"
	"github.com/federation-dns/federation/test/check/texts"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/programs"
	"github.com/federation-dns/federation/test/world"
)

// corefile is that of the members. The upstream of the second one does not answer.
const corefile = `.:53 {
    bind %[1]s
    errors
    health %[1]s:8080
    ready %[1]s:8181
    prometheus %[1]s:9153
    federation cluster.local {
        myfederation example.com
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig %[2]q
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . %[3]s
}
`

// nobody is an address at which nothing answers.
const nobody = "198.51.100.99"

// system is a World of two members, each with the objects of its CoreDNS, as kubeadm makes them.
type system struct {
	*world.World
	first, last *member
	texts       texts.Seen // for docs/checks.md
}

type member struct {
	*world.Member
	client   *kubernetes.Clientset
	corefile string // as it runs
}

func newSystem(t *testing.T) *system {
	t.Helper()
	dir, err := os.MkdirTemp("", "check") // a short path, as Unix sockets stand in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	deploy, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	places := world.Places[2:4]
	w, err := world.New(world.Options{
		Dir: dir, CoreDNS: programs.CoreDNS(), Syncer: programs.Syncer(), Testcluster: programs.Testcluster(),
		Deploy: deploy, Places: places, Mirrors: true,
		Corefile: func(p *world.Place, kubeconfig string) string {
			upstream := world.Authority
			if p == places[1] {
				upstream = nobody
			}
			return fmt.Sprintf(corefile, p.DNS, kubeconfig, upstream)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := w.Syncer.Log()
			t.Log("the log of the syncer:\n" + log)
		}
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s := &system{World: w, texts: texts.Seen{}}
	for _, m := range w.Members() {
		one := &member{Member: m}
		if one.client, err = kubernetes.NewForConfig(m.Cluster.Config()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(w.Path("c", m.Name+".Corefile"))
		if err != nil {
			t.Fatal(err)
		}
		one.corefile = string(text)
		one.kubectl(t, clusterDNS, "apply", "-f", "-")
		one.setCorefile(t, one.corefile)
		one.pod(t, "coredns-1", "kube-dns", m.DNS)
		if err := m.CreateService(ctx); err != nil {
			t.Fatal(err)
		}
		if err := m.Deploy(ctx); err != nil {
			t.Fatal(err)
		}
		if s.first == nil {
			s.first = one
		}
		s.last = one
	}
	err = proc.Poll(ctx, "both shards and mirrors", func() error {
		status, err := s.source().Status(ctx)
		if err != nil {
			return err
		}
		services := status.Federations[0].Services
		if len(services) != 1 || len(services[0].Shards) != 2 || len(services[0].Coming) > 0 ||
			!services[0].Shards[0].Healthy || !services[0].Shards[1].Healthy {
			return fmt.Errorf("%+v", services)
		}
		for _, m := range status.Federations[0].Members {
			if m.Mirror == nil || !m.Mirror.Fresh {
				return fmt.Errorf("the mirror of %s: %+v", m.Name, m.Mirror)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clusterDNS are the objects of a cluster's CoreDNS. Its pods are made by hand, as the real process runs elsewhere.
const clusterDNS = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 0
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: coredns
      containers:
      - name: coredns
        image: registry.k8s.io/coredns/coredns:v1.14.7
        args: [-conf, /etc/coredns/Corefile]
        volumeMounts:
        - {name: config-volume, mountPath: /etc/coredns}
        - {name: custom, mountPath: /etc/coredns/custom}
      volumes:
      - name: config-volume
        configMap: {name: coredns, items: [{key: Corefile, path: Corefile}]}
      - name: custom
        configMap: {name: coredns-custom, optional: true}
`

// source is the syncer's state.
func (s *system) source() live.Source { return live.Socket(world.AdminSocket(s.Dir())) }

// changed is a syncer whose state a test changes on the way.
type changed struct {
	live.Source
	change func(*admin.FederationStatus)
}

func (c changed) Status(ctx context.Context) (*admin.Status, error) {
	status, err := c.Source.Status(ctx)
	if err == nil {
		for i := range status.Federations {
			c.change(&status.Federations[i])
		}
	}
	return status, err
}

// options are those of a user with a context for each member.
func (s *system) options() check.Options {
	return check.Options{
		Syncer: s.source(), Now: time.Now, Resolvers: []string{s.first.DNS.String()},
		Context: func(name string) (*rest.Config, error) { return s.Member(name).Cluster.Config(), nil },
	}
}

// allChecks are those of the packages that are tested here.
func allChecks() []check.Check {
	return slices.Concat(corednscheck.Checks(), dnscheck.Checks(), servicecheck.Checks())
}

// run makes one check.
func run(t *testing.T, o check.Options, id string) check.Result {
	t.Helper()
	chosen, err := check.Select(allChecks(), []string{id}, nil)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r := check.Run(t.Context(), check.NewEnv(o), chosen)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("CK5: %s took %v", id, took)
	}
	if len(r.Results) == 0 {
		return check.Result{ID: id}
	}
	return r.Results[0]
}

// expect makes the check until it finds this of the subject, with a text like that, where "..." stands for anything:
// the syncer and the DNS servers take a moment. If it is bad, it has to say what to do.
func (s *system) expect(t *testing.T, id, subject string, outcome check.Outcome, text string) {
	t.Helper()
	s.expectWith(t, s.options(), id, subject, outcome, text)
}

func (s *system) expectWith(t *testing.T, o check.Options, id, subject string, outcome check.Outcome, text string) {
	t.Helper()
	s.expectNoted(t, o, id, subject, outcome, text, "")
}

// expectNoted is expectWith for a text that docs/checks.md says more of.
func (s *system) expectNoted(t *testing.T, o check.Options, id, subject string, outcome check.Outcome,
	text, more string,
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	err := proc.Poll(ctx, id, func() error {
		result := run(t, o, id)
		for _, f := range result.Findings {
			if f.Subject != subject || f.Outcome != outcome || !texts.Like(f.Text, text) {
				continue
			}
			if (outcome == check.Fail || outcome == check.Warn) && f.Remedy == "" {
				return fmt.Errorf("it does not say what to do: %+v", f)
			}
			s.texts.Add(id, outcome, text, more)
			return nil
		}
		return fmt.Errorf("want %s %q and %q of %+v", outcome, subject, text, result.Findings)
	})
	if err != nil {
		t.Error(err)
	}
}

// expectRemedy holds that what was found of the subject has this in what to do.
func (s *system) expectRemedy(t *testing.T, o check.Options, id, subject, text string) {
	t.Helper()
	result := run(t, o, id)
	for _, f := range result.Findings {
		if f.Subject == subject && strings.Contains(f.Remedy, text) {
			return
		}
	}
	t.Errorf("%s does not say %q: %+v", id, text, result.Findings)
}

func (m *member) kubectl(t *testing.T, stdin string, args ...string) {
	t.Helper()
	if _, err := m.Kubectl(t.Context(), stdin, args...); err != nil {
		t.Fatal(err)
	}
}

// object creates an object for the rest of the test.
func (m *member) object(t *testing.T, yaml string) {
	t.Helper()
	m.kubectl(t, yaml, "apply", "-f", "-")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := m.Kubectl(ctx, yaml, "delete", "-f", "-", "--wait=false"); err != nil {
			t.Error(err)
		}
	})
}

// configMap sets a key of a ConfigMap in kube-system.
func (m *member) configMap(t *testing.T, name, key, text string) {
	t.Helper()
	maps := m.client.CoreV1().ConfigMaps("kube-system")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{key: text}}
	_ = maps.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{}) // there may be none
	if _, err := maps.Create(context.WithoutCancel(t.Context()), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (m *member) setCorefile(t *testing.T, text string) {
	t.Helper()
	m.configMap(t, "coredns", "Corefile", text)
}

// withCorefile says, for the rest of the test, that the cluster's DNS has another Corefile.
func (m *member) withCorefile(t *testing.T, text string) {
	t.Helper()
	m.setCorefile(t, text)
	t.Cleanup(func() { m.setCorefile(t, m.corefile) })
}

// pod says that a process at this address is a pod of kube-system.
func (m *member) pod(t *testing.T, name, app string, at netip.Addr) {
	t.Helper()
	pods := m.client.CoreV1().Pods("kube-system")
	no := false
	pod, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"k8s-app": app}},
		Spec: corev1.PodSpec{NodeName: "elsewhere", ServiceAccountName: "coredns", AutomountServiceAccountToken: &no,
			Containers: []corev1.Container{{Name: "coredns", Image: "coredns"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: at.String(),
		PodIPs: []corev1.PodIP{{IP: at.String()}}}
	if _, err := pods.UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// coreDNS starts another CoreDNS for the rest of the test, and waits until it answers.
func (s *system) coreDNS(t *testing.T, name, at, corefile string) {
	t.Helper()
	if err := netns.AddLocal(netip.PrefixFrom(netip.MustParseAddr(at), 32)); err != nil {
		t.Fatal(err)
	}
	path := s.Path("dns", name+".Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := proc.Start(name, s.LogFile(name), s.Env(), programs.CoreDNS(), "-conf", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := proc.Poll(ctx, name, func() error {
		if err := p.Ended(); err != nil {
			return err
		}
		_, err := world.Ask(ctx, at, "example.com.", dns.TypeSOA)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
