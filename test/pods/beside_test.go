package pods

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// Our CoreDNS beside the cluster's: where it is installed, and its ClusterIP.
const (
	besideNamespace = "federation-dns"
	besideClusterIP = "10.103.0.53"
)

// installBeside installs the chart federation-dns with helm, and follows the notes that it prints, as a stranger does.
func (s *system) installBeside() {
	s.t.Helper()
	began := time.Now()
	h := helm.New(s.t)
	repository, tag, _ := strings.Cut(s.images["coredns"], ":")
	args := []string{"install", "federation-dns", helm.Chart(s.t, "federation-dns"), "--namespace", besideNamespace,
		"--create-namespace"}
	for _, value := range []string{"federations[0].name=" + world.FederationName,
		"federations[0].domain=" + world.Domain, "service.clusterIP=" + besideClusterIP, "platform=kubeadm",
		"image.repository=" + repository, "image.tag=" + tag} {
		args = append(args, "--set-string", value) // a tag can be all digits
	}
	_, err := h.Run(s.t.Context(), s.here.Kubeconfig(), args...)
	s.must(err)
	notes, err := h.Run(s.t.Context(), s.here.Kubeconfig(), "get", "notes", "federation-dns", "--namespace",
		besideNamespace)
	s.must(err)
	s.follow(notes)
	// CoreDNS finds the change by itself within two minutes. Here nobody waits for it.
	s.kubectl("", "rollout", "restart", "--namespace", "kube-system", "deployment/coredns")
	s.rollout("kube-system", "coredns")
	s.t.Logf("chart installed, its notes followed: %.1f s", time.Since(began).Seconds())
}

// follow runs the commands among the notes in a shell: the paragraphs that begin with one.
func (s *system) follow(notes string) {
	s.t.Helper()
	first := strings.Index(notes, "\nkubectl ")
	if first < 0 {
		s.t.Fatalf("the notes have no command:\n%s", notes)
	}
	var commands []string
	for paragraph := range strings.SplitSeq(notes[first+1:], "\n\n") {
		prose := strings.HasSuffix(strings.TrimSpace(paragraph), ":")
		if !prose && !strings.HasPrefix(paragraph, "helm ") { // helm test needs an image from a registry
			commands = append(commands, paragraph)
		}
	}
	bin := s.t.TempDir()
	testcluster, err := kube.Binary(s.t.Context(), os.Stderr)
	s.must(err)
	s.must(os.Symlink(testcluster, filepath.Join(bin, "kubectl")))
	script := strings.Join(commands, "\n\n")
	shell := exec.CommandContext(s.t.Context(), "sh", "-euc", script)
	shell.Dir = s.t.TempDir()
	shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+s.here.Kubeconfig())
	if _, err := proc.Output(shell, "the commands of the notes"); err != nil {
		s.describe()
		s.t.Fatalf("%v\n%s", err, script)
	}
}
