package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/federation-dns/federation/test/docs"
	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/world"
)

// TestDocs runs the commands of the pages as a reader does: in order, in one shell and one folder, with what the
// quickstart says that one needs, and nothing else.
func TestDocs(t *testing.T) {
	opt := options(t)
	opt.Syncerless = true
	us, eu := *world.Places[2], *world.Places[1]
	opt.Places = []*world.Place{&us, &eu}
	w, err := world.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	contexts := map[string]string{"us": us.Name, "eu": eu.Name}
	dir := reader(t, w, opt.Deploy, contexts)
	runPages(t, w, dir, contexts)

	t.Run("nothing is left in the zone", func(t *testing.T) {
		for _, rr := range zone(t) {
			if strings.Contains(rr.Header().Name, world.FederationName) {
				t.Errorf("%v", rr)
			}
		}
	})
	for _, m := range w.Members() {
		t.Run("nothing is left in "+m.Name, func(t *testing.T) {
			out, err := m.Kubectl(t.Context(), "", "get", "namespaces,clusterroles,clusterrolebindings", "-o", "name")
			if err != nil {
				t.Fatal(err)
			}
			for name := range strings.Lines(out) {
				if strings.Contains(name, "federation") {
					t.Error(name)
				}
			}
		})
	}
}

// reader makes the folder of a reader: the manifests, the key of the zone, and a kubeconfig with a context for each
// cluster, by the name that the pages use.
func reader(t *testing.T, w *world.World, deploy string, contexts map[string]string) string {
	t.Helper()
	dir := w.Path("reader")
	if err := os.MkdirAll(filepath.Join(dir, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	all := clientcmdapi.NewConfig()
	for name, cluster := range contexts {
		config, err := clientcmd.LoadFromFile(w.Member(cluster).Cluster.Kubeconfig())
		if err != nil {
			t.Fatal(err)
		}
		current := config.Contexts[config.CurrentContext]
		all.Clusters[name] = config.Clusters[current.Cluster]
		all.AuthInfos[name] = config.AuthInfos[current.AuthInfo]
		all.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	all.CurrentContext = "us"
	if err := errors.Join(clientcmd.WriteToFile(*all, filepath.Join(dir, ".kube", "config")),
		os.WriteFile(filepath.Join(dir, "tsig"), []byte(world.TSIGSecret+"\n"), 0o600),
		os.Symlink(deploy, filepath.Join(dir, "deploy"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pods are shell commands that stand in for real pods: what is run in a pod q asks the DNS of its cluster, as a pod
// does.
func pods(w *world.World, contexts map[string]string) string {
	var b strings.Builder
	b.WriteString("kubectl() {\n\tcase \"$*\" in\n")
	for name, cluster := range contexts {
		fmt.Fprintf(&b, "\t*'--context %s '*' run q '*) for last; do :; done; nslookup -type=a \"$last\" %s;;\n",
			name, w.Member(cluster).DNS)
	}
	b.WriteString("\t*) command kubectl \"$@\";;\n\tesac\n}\n")
	return b.String()
}

// runPages runs the commands of docs.RunPages.
func runPages(t *testing.T, w *world.World, dir string, contexts map[string]string) {
	t.Helper()
	var script strings.Builder
	script.WriteString(pods(w, contexts))
	n := 0
	for _, page := range docs.RunPages {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range docs.Blocks(page, string(text)) {
			if name := b.File(); name != "" {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(b.Text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if yes, notRun := b.Commands(); yes && notRun == "" {
				n++
				fmt.Fprintf(&script, "echo '== %s:%d'\n%s", page, b.Line, b.Text)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "commands"), []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := os.Create(filepath.Join(dir, "output")) // a pipe would stay open with the syncer
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := netns.Command(ctx, world.ViewOf(w.Dir(), world.Outside).Resolv, "sh", "-eu", "commands")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "HOME="+dir, "KUBECONFIG=", "PATH="+w.Path("bin")+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	end := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = end
	start := time.Now()
	err = cmd.Run()
	if cmd.Process != nil {
		_ = end() // the syncer, if a command before its stop has failed
	}
	text, readErr := os.ReadFile(output.Name())
	if err != nil || readErr != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "syncer.log")) // there may be none yet
		t.Fatalf("the last block failed: %v\n%s\nthe syncer:\n%s", errors.Join(err, readErr), text, log)
	}
	t.Logf("%d blocks of %q in %s", n, docs.RunPages, time.Since(start).Round(time.Second))
}

// zone returns the records of the zone.
func zone(t *testing.T) (all []dns.RR) {
	t.Helper()
	transfer := &dns.Transfer{DialTimeout: 3 * time.Second, ReadTimeout: 3 * time.Second}
	envelopes, err := transfer.In(new(dns.Msg).SetAxfr(world.Domain+"."), world.Authority+":53")
	if err != nil {
		t.Fatal(err)
	}
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		all = append(all, e.RR...)
	}
	if len(all) < 3 {
		t.Fatalf("the zone has only %v", all)
	}
	return all
}
