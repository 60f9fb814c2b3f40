package stanzas

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

const deploy = "../../deploy"

// testInPlace is about the other way to install: the cluster's own CoreDNS has the plugin. It runs as the account of
// deploy/coredns-rbac.yaml, and is asked the same as one that has a stanza.
func (w *world) testInPlace(t *testing.T) {
	w.kubectl(t, "", "apply", "--filename", filepath.Join(deploy, "coredns-rbac.yaml"))
	account := w.kubeconfig(t, "kube-system", "coredns")
	for name, corefile := range map[string]string{
		"Corefile.example":      read(t, "../../Corefile.example"),
		"CoreDNS's own chart":   chartCorefile(t, read(t, filepath.Join(deploy, "coredns-values.yaml"))),
		"kubeadm, in its words": inKubeadm(t),
	} {
		t.Run("D1 "+name, func(t *testing.T) {
			// The example has one federation, and its domain is not private.
			const federation = "myfederation example.com\n"
			other := strings.Replace(corefile, federation, federation+" other example.net\n", 1)
			if other == corefile {
				t.Fatalf("there is no federation in\n%s", corefile)
			}
			path := filepath.Join(t.TempDir(), "Corefile")
			at := listener{address: dnsPod, kubeconfig: account}
			if err := os.WriteFile(path, []byte(at.apply(other)), 0o644); err != nil {
				t.Fatal(err)
			}
			w.startCoreDNS(t, "platform", path, dnsPod+":53")
			w.ready(t, dnsPod)
			serviceOf(t, clusterDNS, dnsPod+":53")
			check(t, questions)
			w.checkPod(t)
		})
	}
	t.Run("D2 kubeadm's Deployment is patched, and nothing else of it changes", w.patchKubeadm)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// inKubeadm is kubeadm's Corefile with the directive of Corefile.example.
func inKubeadm(t *testing.T) string {
	t.Helper()
	corefile := readPlatform(t, "testdata/kubeadm.txtar").files["coredns/Corefile"]
	return strings.Replace(corefile, "    kubernetes ",
		"    federation cluster.local {\n       myfederation example.com\n    }\n    kubernetes ", 1)
}

// chartCorefile is the Corefile that CoreDNS's own chart makes of its value servers: for each a block of the zones and
// the port, and in it a line for each plugin with its parameters, and the lines of its configBlock.
func chartCorefile(t *testing.T, values string) (corefile string) {
	t.Helper()
	var v struct {
		Servers []struct {
			Zones []struct {
				Zone string `yaml:"zone"`
			} `yaml:"zones"`
			Port    int `yaml:"port"`
			Plugins []struct {
				Name        string `yaml:"name"`
				Parameters  string `yaml:"parameters"`
				ConfigBlock string `yaml:"configBlock"`
			} `yaml:"plugins"`
		} `yaml:"servers"`
		Image struct {
			Tag string `yaml:"tag"`
		} `yaml:"image"`
	}
	if err := yaml.Unmarshal([]byte(values), &v); err != nil {
		t.Fatal(err)
	}
	if want := chartVersion(t); v.Image.Tag != want {
		t.Errorf("the image is that of version %q, want %q", v.Image.Tag, want)
	}
	for _, s := range v.Servers {
		for i, z := range s.Zones {
			corefile += strings.Repeat(" ", min(i, 1)) + z.Zone
		}
		corefile += fmt.Sprintf(":%d {\n", s.Port)
		for _, p := range s.Plugins {
			corefile += strings.TrimRight("    "+p.Name+" "+p.Parameters, " ")
			if p.ConfigBlock != "" {
				corefile += " {\n" + p.ConfigBlock + "\n    }"
			}
			corefile += "\n"
		}
		corefile += "}\n"
	}
	return corefile
}

// kubeadmDeployment has the fields of kubeadm's Deployment (cmd/kubeadm/app/phases/addons/dns/manifests.go of
// Kubernetes 1.37.2) that a patch could meet.
const kubeadmDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 2
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: coredns
      dnsPolicy: Default
      containers:
      - name: coredns
        image: registry.k8s.io/coredns/coredns:v1.13.1
        args: [-conf, /etc/coredns/Corefile]
        ports:
        - {containerPort: 53, name: dns, protocol: UDP}
        - {containerPort: 53, name: dns-tcp, protocol: TCP}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}
          readOnlyRootFilesystem: true
        volumeMounts: [{name: config-volume, mountPath: /etc/coredns, readOnly: true}]
      volumes:
      - name: config-volume
        configMap: {name: coredns, items: [{key: Corefile, path: Corefile}]}
`

func (w *world) patchKubeadm(t *testing.T) {
	w.kubectl(t, kubeadmDeployment, "apply", "--filename", "-")
	patch := filepath.Join(deploy, "kubeadm", "corednsdeployment+strategic.yaml")
	get := func() (d appsv1.Deployment) {
		out := w.kubectl(t, "", "get", "deployment", "coredns", "--namespace", "kube-system", "--output", "json")
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	want := get().Spec
	container := &want.Template.Spec.Containers[0]
	container.Image = "ghcr.io/federation-dns/coredns:" + chartVersion(t)
	container.Env = []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "spec.nodeName"}}}}
	for range 2 {
		w.kubectl(t, "", "patch", "deployment", "coredns", "--namespace", "kube-system", "--patch-file", patch)
		if d := cmp.Diff(want, get().Spec); d != "" {
			t.Errorf("the patched Deployment (-want +got):\n%s", d)
		}
	}
	t.Run("by kustomize", func(t *testing.T) {
		dir := t.TempDir()
		for name, text := range map[string]string{"coredns.yaml": kubeadmDeployment, "patch.yaml": read(t, patch),
			"kustomization.yaml": "resources: [coredns.yaml]\npatches: [{path: patch.yaml}]\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out := w.kubectl(t, "", "kustomize", dir)
		for _, line := range []string{"image: " + container.Image, "- name: NODE_NAME", "fieldPath: spec.nodeName"} {
			if !slices.ContainsFunc(strings.Split(out, "\n"),
				func(l string) bool { return strings.TrimSpace(l) == line }) {
				t.Errorf("there is no line %q in\n%s", line, out)
			}
		}
	})
}

// chartVersion is the version that the chart installs, as the files of deploy name it too.
func chartVersion(t *testing.T) string {
	t.Helper()
	var c struct {
		AppVersion string `yaml:"appVersion"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../charts/"+chart+"/Chart.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c.AppVersion
}
