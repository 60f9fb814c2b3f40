package stanzas

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/federation-dns/federation/test/helm"
	"github.com/federation-dns/federation/test/proc"
)

// platform is the published configuration of a platform's DNS: testdata/NAME.txtar. Its files CONFIGMAP/KEY are what
// the platform has in kube-system.
type platform struct {
	name  string
	files map[string]string
	tried bool // a CoreDNS can load it
}

func readPlatform(t *testing.T, path string) platform {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := platform{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), files: map[string]string{},
		tried: !strings.Contains(string(archive.Comment), "\nnot tried: ")}
	for _, f := range archive.Files {
		p.files[f.Name] = string(f.Data)
	}
	return p
}

// configMaps are the ConfigMaps of a platform, by name.
func (p platform) configMaps() map[string]map[string]string {
	all := map[string]map[string]string{}
	for name, text := range p.files {
		if configMap, key := path.Split(name); configMap != "" {
			configMap = strings.TrimSuffix(configMap, "/")
			if all[configMap] == nil {
				all[configMap] = map[string]string{}
			}
			if key != "" {
				all[configMap][key] = text
			}
		}
	}
	return all
}

// everyConfigMap is what platforms have in kube-system, or get there.
var everyConfigMap = []string{"coredns", "coredns-custom", "node-local-dns", "kube-dns"}

// prepare makes kube-system what it is on the platform.
func (w *world) prepare(t *testing.T, p platform) {
	t.Helper()
	for _, name := range everyConfigMap {
		err := w.configMaps.Delete(t.Context(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
	for name, data := range p.configMaps() {
		w.apply(t, name, data)
	}
	for _, manifest := range []string{"crd.yaml", "object.yaml"} {
		if p.files[manifest] == "" {
			continue
		}
		w.eventually(t, manifest, func(ctx context.Context) error { // the kind of a CRD is served a moment later
			_, err := w.cluster.Kubectl(ctx, p.files[manifest], "apply", "--filename", "-")
			return err
		})
	}
}

// apply makes a ConfigMap what a platform makes it.
func (w *world) apply(t *testing.T, name string, data map[string]string) {
	t.Helper()
	_, err := w.configMaps.Apply(t.Context(), applycorev1.ConfigMap(name, "kube-system").WithData(data),
		metav1.ApplyOptions{FieldManager: "platform", Force: true})
	if err != nil {
		t.Fatal(err)
	}
}

// configMap is what a ConfigMap in kube-system has; nothing if there is none.
func (w *world) configMap(t *testing.T, name string) map[string]string {
	t.Helper()
	c, err := w.configMaps.Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return c.Data
}

// notes are what helm prints for the platform, and the commands in it: from the line after the explanation to the
// helm test.
func (w *world) notes(t *testing.T, platform string) (commands string) {
	t.Helper()
	w.runHelm(t, "upgrade", release, helm.Chart(t, chart), "--reuse-values", "--set", "platform="+platform)
	notes := w.runHelm(t, "get", "notes", release)
	_, after, ok1 := strings.Cut(notes, "\nThen let the cluster's DNS ")
	_, after, ok2 := strings.Cut(after, "\n\n")
	commands, _, ok3 := strings.Cut(after, "\nAsk, once ")
	if !ok1 || !ok2 || !ok3 {
		t.Fatalf("the notes do not have the expected form:\n%s", notes)
	}
	return commands
}

// The commands of platforms that are not kubectl: oc is a kubectl, and aws keeps the values that it is given.
var stubs = map[string]string{
	"oc": "#!/bin/sh\nexec kubectl \"$@\"\n",
	"aws": "#!/bin/sh\nset -eu\nfor a; do case $a in file://*) cp \"${a#file://}\" addon.yaml; exit;; esac; done\n" +
		"echo \"aws $*: not expected\" >&2; exit 1\n",
}

// runCommands runs the commands as an admin who pastes them would, in a folder of their own.
func (w *world) runCommands(t *testing.T, commands string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range stubs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(w.testcluster, filepath.Join(dir, "kubectl")); err != nil {
		t.Fatal(err)
	}
	w.renewDeployment(t)
	env := []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "KUBECONFIG=" + w.cluster.Kubeconfig(),
		"CLUSTER=mine"}
	out, err := proc.CommandWith(t.Context(), env, "cd "+dir+"\n"+commands, "sh", "-eu", "-s")
	if err != nil {
		t.Fatalf("%v\n%s\nof the commands:\n%s", err, out, commands)
	}
	addon, err := os.ReadFile(filepath.Join(dir, "addon.yaml"))
	if os.IsNotExist(err) {
		return
	}
	var values struct {
		Corefile string `yaml:"corefile"`
	}
	if err == nil {
		err = yaml.Unmarshal(addon, &values)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.apply(t, "coredns", map[string]string{"Corefile": values.Corefile}) // as the add-on does
}

// renewDeployment makes the Deployment coredns anew, without pods: one that was restarted within the last second is not
// restarted again.
func (w *world) renewDeployment(t *testing.T) {
	t.Helper()
	err := w.deployments.Delete(t.Context(), "coredns", metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	labels := map[string]string{"k8s-app": "kube-dns"}
	_, err = w.deployments.Apply(t.Context(), applyappsv1.Deployment("coredns", "kube-system").WithSpec(
		applyappsv1.DeploymentSpec().WithReplicas(0).WithSelector(applymetav1.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(applycorev1.PodTemplateSpec().WithLabels(labels).WithSpec(applycorev1.PodSpec().WithContainers(
				applycorev1.Container().WithName("coredns").WithImage("coredns"))))),
		metav1.ApplyOptions{FieldManager: "platform"})
	if err != nil {
		t.Fatal(err)
	}
}

// load writes what the platform's CoreDNS has mounted, and returns its Corefile's path.
func (w *world) load(t *testing.T, p platform, at listener) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "custom"), 0o755); err != nil {
		t.Fatal(err)
	}
	at.dir = dir
	main := "coredns"
	if p.files["node-local-dns/Corefile"] != "" {
		main = "node-local-dns"
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for key, text := range w.configMap(t, main) {
		text = strings.Replace(text, "# SERVERS\n", w.openshiftServers(t, p), 1)
		if key == "Corefile" {
			text = at.apply(text)
		}
		write(key, text)
	}
	for key, text := range w.configMap(t, "coredns-custom") {
		write(filepath.Join("custom", key), at.apply(text))
	}
	return filepath.Join(dir, "Corefile")
}

// openshiftServers are the server blocks that OpenShift's DNS operator writes for spec.servers.
func (w *world) openshiftServers(t *testing.T, p platform) (blocks string) {
	t.Helper()
	if p.files["server"] == "" {
		return ""
	}
	var object struct {
		Spec struct {
			Servers []struct {
				Name          string
				Zones         []string
				ForwardPlugin struct{ Upstreams []string }
			}
		}
	}
	out := w.kubectl(t, "", "get", "dns.operator/default", "--output", "json")
	if err := json.Unmarshal([]byte(out), &object); err != nil {
		t.Fatal(err)
	}
	for _, s := range object.Spec.Servers {
		blocks += strings.NewReplacer("NAME", s.Name, "ZONES", strings.Join(s.Zones, ":5353 ")+":5353",
			"UPSTREAMS", strings.Join(s.ForwardPlugin.Upstreams, " ")).Replace(p.files["server"])
	}
	return blocks
}
