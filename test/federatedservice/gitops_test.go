package federatedservice

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
	"github.com/federation-dns/federation/test/helm"
)

// tool is one by which members get Services without us.
type tool struct {
	name string
	// manager is its name among the managers of a Service.
	manager string
	// applies is whether it uses server-side apply.
	applies bool
	// sync makes a Service what the tool wants it to be, and fails the test if it cannot.
	sync func(s *stage.Stage, m *stage.Member, name string, port int)
}

// manifest is a Service with the values of stage.Nginx.
func manifest(name string, port int) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  namespace: shop
  labels: {app: %[1]s}
  annotations: {"argocd.argoproj.io/tracking-id": "shop:/Service:shop/%[1]s"}
spec:
  type: LoadBalancer
  selector: {app: %[1]s}
  ports:
  - {name: http, port: %[2]d, protocol: TCP}
`, name, port)
}

// kubectlApply is kubectl, and with another field manager Argo CD, which applies by kubectl's own code.
func kubectlApply(flags ...string) func(*stage.Stage, *stage.Member, string, int) {
	return func(s *stage.Stage, m *stage.Member, name string, port int) {
		s.Helper()
		s.Kubectl(m.Cluster, manifest(name, port), append([]string{"apply", "-f", "-"}, flags...)...)
	}
}

// fluxApply sends what the kustomize-controller of Flux sends: its package ssa gets the object, applies it as a dry run
// to see what has drifted, and then in earnest.
func fluxApply(s *stage.Stage, m *stage.Member, name string, port int) {
	s.Helper()
	if _, err := m.API.CoreV1().Services("shop").Get(s.Context(), name, metav1.GetOptions{}); err != nil &&
		!strings.Contains(err.Error(), "not found") {
		s.Fatal(err)
	}
	for _, dryRun := range [][]string{{metav1.DryRunAll}, nil} {
		force := true
		_, err := m.API.CoreV1().Services("shop").Patch(s.Context(), name, types.ApplyPatchType,
			[]byte(manifest(name, port)), metav1.PatchOptions{
				DryRun: dryRun, Force: &force, FieldManager: "kustomize-controller",
			})
		if err != nil {
			s.Fatal(err)
		}
	}
}

// helmUpgrade installs a chart, or upgrades its release.
func helmUpgrade(t *testing.T, flags ...string) func(*stage.Stage, *stage.Member, string, int) {
	h, dir := helm.New(t), t.TempDir()
	for file, text := range map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
		"templates/service.yaml": strings.NewReplacer("NAME", "{{ .Release.Name }}", "4711", "{{ .Values.port }}").
			Replace(manifest("NAME", 4711)),
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(s *stage.Stage, m *stage.Member, name string, port int) {
		s.Helper()
		args := []string{"upgrade", "--install", name, dir, "--namespace", "shop",
			"--set", fmt.Sprintf("port=%d", port)}
		if out, err := h.Run(s.Context(), m.Cluster.Kubeconfig(), append(args, flags...)...); err != nil {
			s.Fatalf("%v\n%s", err, out)
		}
	}
}

// TestBeside has FederatedServices meet Services that others keep: with values that are equal, which is the case that
// no API server calls a conflict.
func TestBeside(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1"}, Wires: true})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	for i, tool := range []tool{
		{"kubectl apply", "kubectl-client-side-apply", false, kubectlApply()},
		{"kubectl apply --server-side", "kubectl", true, kubectlApply("--server-side")},
		{"Helm", "helm", true, helmUpgrade(t)},
		{"Helm on the client's side", "helm", false, helmUpgrade(t, "--server-side=false")},
		{"Argo CD", "argocd-controller", false, kubectlApply("--field-manager=argocd-controller")},
		{"Argo CD with ServerSideApply", "argocd-controller", true,
			kubectlApply("--server-side", "--force-conflicts", "--field-manager=argocd-controller")},
		{"Flux", "kustomize-controller", true, fluxApply},
	} {
		t.Run(tool.name, func(t *testing.T) { beside(t, s, tool, fmt.Sprintf("t%d", i)) })
	}
	t.Run("G9 a member that does not know a field is asked once", func(t *testing.T) { fieldUnknown(s.In(t)) })
}

func beside(t *testing.T, s *stage.Stage, tool tool, name string) {
	m := s.Members[0]
	standing := func(s *stage.Stage, name string) *corev1.Service { // with what the cluster itself adds
		s.Helper()
		s.Eventually(func() error {
			if m.Address(s, name) == "" {
				return fmt.Errorf("%s has no address", name)
			}
			return nil
		})
		return m.Service(s, name)
	}
	t.Run("G5 equal values are not co-owned, and not taken over", func(t *testing.T) {
		s := s.In(t)
		tool.sync(s, m, name, 80)
		before := standing(s, name)
		s.Create(stage.Nginx(name))
		have := s.ClusterBecomes(name, "m1", "Missing NotOurs")
		if !strings.Contains(have.Message, tool.manager) {
			t.Errorf("the message is %q", have.Message)
		}
		unchanged(t, before, m.Service(t, name))
		tool.sync(s, m, name, 82)
		hasPorts(t, m.Service(t, name), 82)
		tool.sync(s, m, name, 80)
	})
	if tool.applies {
		t.Run("G5 nothing is adopted from who applies", func(t *testing.T) {
			s := s.In(t)
			before := m.Service(t, name)
			s.Change(name, `{"adopt": true}`)
			have := s.ClusterBecomes(name, "m1", "Missing Conflict")
			if !strings.Contains(have.Message, "managed by "+tool.manager) {
				t.Errorf("the message is %q", have.Message)
			}
			unchanged(t, before, m.Service(t, name))
		})
	} else {
		t.Run("G5 what is adopted keeps its values, and its tool may sync them", func(t *testing.T) {
			s := s.In(t)
			before := m.Service(t, name)
			s.Change(name, `{"adopt": true}`)
			s.Becomes(name, v1alpha1.ConditionPropagated, "True InAllClusters")
			have := m.Service(t, name)
			if !reflect.DeepEqual(have.Spec, before.Spec) || have.UID != before.UID ||
				have.Annotations[propagate.AnnotationAdoptedBy] == "" {
				t.Errorf("it is %+v, was %+v", have, before)
			}
			tool.sync(s, m, name, 80)
			if have := m.Service(t, name); !reflect.DeepEqual(have.Spec, before.Spec) {
				t.Errorf("after a sync the spec is %+v, was %+v", have.Spec, before.Spec)
			}
			s.Change(name, `{"template": {"spec": {"ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}}}`)
			s.Eventually(func() error { return ports(m.Service(t, name), 81) })
		})
	}
	t.Run("G6 G7 with the FederatedService nothing goes that is not ours", func(t *testing.T) {
		s := s.In(t)
		before := m.Service(t, name)
		s.Delete(name)
		s.Gone(name)
		after := m.Service(t, name)
		if tool.applies {
			unchanged(t, before, after)
		}
		if after == nil || after.UID != before.UID || !reflect.DeepEqual(after.Spec, before.Spec) {
			t.Fatalf("it is %+v, was %+v", after, before)
		}
		if err := traces(after); err != nil {
			t.Error(err)
		}
		if !tool.applies {
			tool.sync(s, m, name, 81) // a patch by a client takes away the ports that it has set, and 81 was set by us
		}
		tool.sync(s, m, name, 82)
		hasPorts(t, m.Service(t, name), 82)
	})
	t.Run("G2 who is faster by a moment keeps the Service", func(t *testing.T) {
		s := s.In(t)
		raced := name + "-raced"
		var before *corev1.Service
		var once sync.Once
		applied := make(chan struct{})
		m.Wire.Call(func(r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
			if r.Verb == "APPLY" && r.Name == raced {
				once.Do(func() {
					tool.sync(s, m, raced, 80)
					before = standing(s, raced)
					if answer := forward(body); answer.Code != http.StatusConflict {
						s.Errorf("to create what is there is answered with %d: %s", answer.Code, answer.Body)
					}
					close(applied)
				})
				return
			}
			forward(body)
		})
		defer m.Wire.Call(nil)
		s.Create(stage.Nginx(raced))
		<-applied
		s.ClusterBecomes(raced, "m1", "Missing NotOurs")
		unchanged(t, before, m.Service(t, raced))
		tool.sync(s, m, raced, 82)
		hasPorts(t, m.Service(t, raced), 82)
		s.Delete(raced)
		s.Gone(raced)
		hasPorts(t, m.Service(t, raced), 82)
	})
	t.Run("G7 what has come in the place of ours is not deleted", func(t *testing.T) {
		s := s.In(t)
		replaced := name + "-replaced"
		s.Create(stage.Nginx(replaced))
		s.Created(replaced, m)
		var before *corev1.Service
		var once sync.Once
		m.Wire.Call(func(r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
			if r.Verb == "DELETE" && r.Name == replaced {
				once.Do(func() {
					s.Kubectl(m.Cluster, "", "delete", "service", replaced, "-n", "shop")
					tool.sync(s, m, replaced, 80)
					before = standing(s, replaced)
				})
			}
			forward(body)
		})
		defer m.Wire.Call(nil)
		s.Delete(replaced)
		s.Gone(replaced)
		unchanged(t, before, m.Service(t, replaced))
	})
}

// fieldUnknown lets a real API server say what it says of a field that is newer than it is.
func fieldUnknown(s *stage.Stage) {
	m := s.Members[0]
	var mu sync.Mutex
	asked := 0
	m.Wire.Call(func(r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
		if r.Verb == "APPLY" && r.Name == "newer" {
			mu.Lock()
			asked++
			mu.Unlock()
			var object map[string]any
			if err := json.Unmarshal(body, &object); err != nil {
				s.Error(err)
			}
			object["spec"].(map[string]any)["ofTomorrow"] = "yes"
			body, _ = json.Marshal(object)
		}
		forward(body)
	})
	s.Create(stage.Nginx("newer"))
	have := s.ClusterBecomes("newer", "m1", "Missing FieldUnknown")
	if !strings.Contains(have.Message, ".spec.ofTomorrow") {
		s.Errorf("the message is %q", have.Message)
	}
	<-time.After(5 * time.Second) // five times the shortest backoff
	mu.Lock()
	if asked > 2 { // once more if the member was not seen for a moment
		s.Errorf("it was sent %d times", asked)
	}
	mu.Unlock()
	m.Wire.Call(nil)
	s.Kubectl(s.Host, "", "annotate", "federatedservice", "newer", "-n", "shop", "try=again")
	s.Created("newer", m)
}

func unchanged(t testing.TB, before, after *corev1.Service) {
	t.Helper()
	if err := differs(before, after); err != nil {
		t.Error(err)
	}
}

// differs says in what a Service is not as it was before, but for its status, or in what it is ours.
func differs(before, after *corev1.Service) error {
	switch {
	case before == nil || after == nil:
		return fmt.Errorf("it is %v, was %v", after, before)
	case before.UID != after.UID:
		return fmt.Errorf("it is another one")
	case !reflect.DeepEqual(before.Spec, after.Spec):
		return fmt.Errorf("the spec is %+v, was %+v", after.Spec, before.Spec)
	case !maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations):
		return fmt.Errorf("labels and annotations are %v %v, were %v %v", after.Labels, after.Annotations,
			before.Labels, before.Annotations)
	}
	if was, is := entries(before), entries(after); !slices.Equal(was, is) {
		return fmt.Errorf("the managers are\n%s\nwere\n%s", strings.Join(is, "\n"), strings.Join(was, "\n"))
	}
	return traces(after)
}

// traces says what of a Service is ours.
func traces(have *corev1.Service) error {
	for _, e := range have.ManagedFields {
		if e.Manager == propagate.Manager {
			return fmt.Errorf("we are a manager: %s", e.FieldsV1)
		}
	}
	for _, all := range []map[string]string{have.Labels, have.Annotations} {
		for key := range all {
			if strings.HasPrefix(key, "federation-dns.io/") {
				return fmt.Errorf("it has %s", key)
			}
		}
	}
	return nil
}

// entries are the managers of a Service with their fields, but for its status.
func entries(have *corev1.Service) (list []string) {
	for _, e := range have.ManagedFields {
		if e.Subresource == "" {
			list = append(list, fmt.Sprintf("%s %s %s", e.Manager, e.Operation, e.FieldsV1))
		}
	}
	slices.Sort(list)
	return list
}

func hasPorts(t testing.TB, have *corev1.Service, want ...int32) {
	t.Helper()
	if err := ports(have, want...); err != nil {
		t.Error(err)
	}
}

func ports(have *corev1.Service, want ...int32) error {
	if have == nil {
		return fmt.Errorf("there is no such Service")
	}
	var list []int32
	for _, p := range have.Spec.Ports {
		list = append(list, p.Port)
	}
	if !slices.Equal(list, want) {
		return fmt.Errorf("the ports are %v, want %v", list, want)
	}
	return nil
}
