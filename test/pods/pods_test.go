package pods

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/world"
)

func TestPods(t *testing.T) {
	s := start(t)
	for place, c := range s.members {
		_, err := c.Kubectl(t.Context(), "", "apply", "-f", "../../deploy/member-rbac.yaml", "-f",
			"../../deploy/coredns-rbac.yaml")
		s.must(err)
		_, err = c.Kubectl(t.Context(), text("nginx.yaml", "CLUSTER", place.Name), "apply", "-f", "-")
		s.must(err)
	}
	s.startSyncer()
	t.Run("the command line, by the API server and the kubelet", func(t *testing.T) {
		s.in(t).commandLine()
	})
	s.kubectl(text("client.yaml"), "apply", "-f", "-")

	example, err := os.ReadFile("../../Corefile.example")
	s.must(err)
	t.Run("replace mode", func(t *testing.T) {
		s := s.in(t)
		s.startDNS(string(example))
		s.walk()
		t.Run("I1 the image in a pod", func(t *testing.T) {
			s.in(t).inspect("kube-system", "k8s-app=kube-dns")
		})
	})
	t.Run("D1 beside the cluster's DNS", func(t *testing.T) {
		s := s.in(t)
		s.startDNS(text("kubeadm.Corefile"))
		s.eventually("the name to be unknown without us", func() error {
			got, err := s.exec("/glibc", "ipv4", world.Name)
			if err == nil && got != "error EAI_NONAME" {
				err = fmt.Errorf("%s is %q", world.Name, got)
			}
			return err
		})
		s.installBeside()
		s.walk()
		t.Run("D3 the image in a pod of the chart", func(t *testing.T) {
			s.in(t).inspect(besideNamespace, "app.kubernetes.io/name=federation-dns")
		})
	})
}

// in is the system for a subtest.
func (s *system) in(t *testing.T) *system {
	sub := *s
	sub.t = t
	return &sub
}

// startSyncer runs the syncer as a pod, with a kubeconfig for each member and its account in the host cluster, which is
// one of them, and waits until it has written the records.
func (s *system) startSyncer() {
	s.t.Helper()
	began := time.Now()
	config := s.t.TempDir()
	s.must(os.WriteFile(filepath.Join(config, "config.yaml"), []byte(text("syncer-config.yaml")), 0o644))
	s.must(os.WriteFile(filepath.Join(config, "tsig"), []byte(world.TSIGSecret+"\n"), 0o644))
	for place, c := range s.members {
		s.must(c.AccountKubeconfig(s.t.Context(), "federation-system", "federation-syncer", c.Server(),
			filepath.Join(config, place.Name)))
	}
	s.kubectl("", "apply", "-f", "../../deploy/crds", "-f", "../../deploy/host-rbac.yaml")
	s.kubectl("", "create", "secret", "generic", "federation-syncer", "--namespace", "federation-system",
		"--from-file", config)
	s.kubectl(text("syncer.yaml", "IMAGE", s.images["federation-syncer"]), "apply", "-f", "-")
	s.rollout("federation-system", "federation-syncer")
	s.published(2)
	s.t.Logf("syncer in a pod, records written: %.1f s", time.Since(began).Seconds())
	status := s.kubectl("", "exec", "--namespace", "federation-system", "deployment/federation-syncer", "--",
		"/federation-syncer", "status")
	for place := range s.members {
		if !strings.Contains(status, place.Name) {
			s.t.Errorf("status in the pod does not name %s:\n%s", place.Name, status)
		}
	}
}

// published waits until the name has so many addresses in DNS.
func (s *system) published(addresses int) {
	s.t.Helper()
	name := world.Name + ".svc." + world.Domain + "."
	s.eventually(fmt.Sprintf("%d addresses", addresses), func() error {
		r, err := world.Ask(s.t.Context(), world.Authority, name, dns.TypeA)
		if err == nil && len(r.Answer) != addresses {
			err = fmt.Errorf("%s has %d addresses", name, len(r.Answer))
		}
		return err
	})
}

// startDNS runs our image as the cluster's DNS, with a Corefile: as kubeadm has it, a Deployment and a ConfigMap named
// coredns and a Service named kube-dns.
func (s *system) startDNS(corefile string) {
	s.t.Helper()
	began := time.Now()
	s.configMap("coredns", "Corefile", corefile)
	s.kubectl(text("dns.yaml", "IMAGE", s.images["coredns"], "CLUSTERIP", here.DNS.String(), "CHECKSUM",
		fmt.Sprintf("%x", sha256.Sum256([]byte(corefile)))), "apply", "-f", "-")
	s.rollout("kube-system", "coredns")
	s.t.Logf("the cluster's DNS ready: %.1f s", time.Since(began).Seconds())
}

// walk lets the pod find the shard of its own cluster, lose it, find the next, and come back.
func (s *system) walk() {
	s.t.Helper()
	s.kubectl("", "wait", "--namespace", world.Namespace, "pod/client", "--for=condition=Ready", "--timeout=60s")
	resolv := s.pod("/pod", "cat", "/etc/resolv.conf")
	for _, line := range append([]string{"nameserver " + here.DNS.String()}, world.PodResolv...) {
		if !strings.Contains(resolv+"\n", line+"\n") {
			s.t.Errorf("the pod's resolv.conf has no line %q:\n%s", line, resolv)
		}
	}
	local := s.kubectl("", "get", "service", world.Service, "--namespace", world.Namespace, "--output",
		"jsonpath={.spec.clusterIP}")
	s.find("its own shard", local, here.Name)
	s.scale(0)
	s.find("the next shard", elsewhere.Published[0].String(), elsewhere.Name)
	s.scale(1)
	s.find("its own shard again", local, here.Name)
}

// find waits until each resolver in the pod gives the address, and HTTP by the name gets an answer from the cluster.
func (s *system) find(what, address, cluster string) {
	s.t.Helper()
	took := s.eventually(what, func() error {
		for _, resolver := range []string{"glibc", "musl", "go"} {
			got, err := s.exec("/"+resolver, "ipv4", world.Name)
			if err == nil && got != address {
				err = fmt.Errorf("%s gives %q, and not %s", resolver, got, address)
			}
			if err != nil {
				return err
			}
		}
		got, err := s.exec("/pod", "get", "http://"+world.Name+"/")
		if err == nil && !strings.HasPrefix(got, cluster) {
			err = fmt.Errorf("HTTP is answered by %q, and not by %s", got, cluster)
		}
		return err
	})
	s.t.Logf("the pod has found %s by glibc, musl and Go, and by HTTP: %.1f s", what, took.Seconds())
}

// scale gives the Service of this cluster so many endpoints.
func (s *system) scale(replicas int) {
	s.t.Helper()
	s.kubectl("", "scale", "--namespace", world.Namespace, "deployment/nginx", fmt.Sprintf("--replicas=%d", replicas))
	if replicas > 0 {
		s.rollout(world.Namespace, "nginx")
	}
}

// pod runs a program in the client's pod.
func (s *system) pod(argv ...string) string {
	s.t.Helper()
	out, err := s.exec(argv...)
	s.must(err)
	return out
}

func (s *system) exec(argv ...string) (string, error) {
	out, err := s.here.Kubectl(s.t.Context(), "", append([]string{"exec", "--namespace", world.Namespace, "client",
		"--"}, argv...)...)
	return strings.TrimSpace(out), err
}
