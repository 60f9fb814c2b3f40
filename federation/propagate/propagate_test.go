package propagate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/federation-dns/federation/api/v1alpha1"
)

const mark = Mark("us/shop/nginx")

func nginx(change ...func(*Want)) *Want {
	w := &Want{Mark: mark, Namespace: "shop", Name: "nginx", Federation: "fed", Template: v1alpha1.ServiceTemplate{
		Metadata: v1alpha1.TemplateMetadata{Labels: map[string]string{"app": "nginx"}},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "nginx"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
		},
	}}
	for _, f := range change {
		f(w)
	}
	return w
}

func adopting(w *Want) { w.Adopt = true }

// entry returns an entry of managedFields.
func entry(manager string, op metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: op, APIVersion: "v1", FieldsType: "FieldsV1",
		FieldsV1: metav1.NewFieldsV1(fields),
	}
}

const (
	apply, update = metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate
	portsOnly     = `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}`
	metadataOnly  = `{"f:metadata":{"f:finalizers":{"v:\"x/y\"":{}}}}`
	everything    = `{"f:metadata":{"f:annotations":{".":{},"f:a":{}}},"f:spec":{"f:selector":{},"f:type":{}}}`
)

// service returns a Service with an annotation, unless that is "".
func service(annotation string, entries ...metav1.ManagedFieldsEntry) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "nginx", UID: "uid-1", ResourceVersion: "7", ManagedFields: entries,
	}}
	if annotation != "" {
		s.Annotations = map[string]string{annotation: string(mark)}
		s.Labels = map[string]string{LabelFederation: "fed"}
	}
	return s
}

func deleting(s *corev1.Service) *corev1.Service {
	s.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	return s
}

// decode returns what a step sends.
func decode(t *testing.T, body []byte) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return out
}

func metadata(t *testing.T, s Step) map[string]any {
	t.Helper()
	return decode(t, s.Body)["metadata"].(map[string]any)
}

func TestBody(t *testing.T) {
	t.Run("G1 what is applied is the template, the label and the mark", func(t *testing.T) {
		ttl := int32(30)
		s, err := Next(nginx(func(w *Want) { w.TTL = &ttl }), service(AnnotationCreatedBy))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"apiVersion": "v1", "kind": "Service",
			"metadata": map[string]any{
				"namespace": "shop", "name": "nginx", "uid": "uid-1",
				"labels":      map[string]any{"app": "nginx", LabelFederation: "fed"},
				"annotations": map[string]any{AnnotationCreatedBy: "us/shop/nginx", annotationTTL: "30"},
			},
			"spec": map[string]any{
				"type": "LoadBalancer", "selector": map[string]any{"app": "nginx"},
				"ports": []any{map[string]any{"name": "http", "port": 80.0, "protocol": "TCP"}},
			},
		}
		if diff := cmp.Diff(want, decode(t, s.Body)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("G1 what each member allocates itself, and labels of ours, are never sent", func(t *testing.T) {
		s, err := Next(nginx(func(w *Want) {
			spec := &w.Template.Spec
			spec.ClusterIP, spec.ClusterIPs, spec.ExternalIPs = "10.0.0.1", []string{"10.0.0.1"}, []string{"192.0.2.1"}
			spec.LoadBalancerIP, spec.HealthCheckNodePort = "192.0.2.1", 30001
			spec.Ports[0].NodePort, spec.Ports[0].TargetPort = 30000, intstr.FromString("web")
			w.Template.Metadata.Labels[prefix+"x"] = "y"
			w.Template.Metadata.Annotations = map[string]string{AnnotationCreatedBy: "them/shop/nginx", "a": "b"}
		}), service(AnnotationCreatedBy))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"clusterIP", "externalIPs", "loadBalancerIP", "odePort", prefix + "x", "them"} {
			if strings.Contains(string(s.Body), word) {
				t.Errorf("%s is in %s", word, s.Body)
			}
		}
		if !strings.Contains(string(s.Body), `"targetPort":"web"`) || !strings.Contains(string(s.Body), `"a":"b"`) {
			t.Errorf("%s", s.Body)
		}
	})
	t.Run("K6 the Service has the namespace and the name of its FederatedService", func(t *testing.T) {
		f := &v1alpha1.FederatedService{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nginx"}}
		s, err := Next(NewWant("us", f), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m := metadata(t, s); m["namespace"] != "shop" || m["name"] != "nginx" {
			t.Errorf("it applies %v", m)
		}
	})
	t.Run("G1 a headless Service is one", func(t *testing.T) {
		s, err := Next(nginx(func(w *Want) {
			w.Template.Spec.Type, w.Template.Spec.ClusterIP = corev1.ServiceTypeClusterIP, corev1.ClusterIPNone
		}), nil)
		if err != nil || !strings.Contains(string(s.Body), `"clusterIP":"None"`) {
			t.Errorf("%s, error %v", s.Body, err)
		}
	})
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name   string
		want   *Want
		have   *corev1.Service
		action Action
		// annotation and uid are those of what is applied.
		annotation, uid string
		reason, words   string
		last            bool
	}{
		{"G2 where nothing is, a Service is created, which is ours", nginx(), nil,
			Create, AnnotationCreatedBy, "", "", "", true},
		{"G3 what is ours is applied with its UID", nginx(), service(AnnotationCreatedBy),
			Apply, AnnotationCreatedBy, "uid-1", "", "", true},
		{"G3 what we adopted stays adopted", nginx(), service(AnnotationAdoptedBy),
			Apply, AnnotationAdoptedBy, "uid-1", "", "", true},
		{"G2 one of another syncer is not ours, not even to adopt", nginx(adopting), func() *corev1.Service {
			s := service(AnnotationCreatedBy)
			s.Annotations[AnnotationCreatedBy] = "them/shop/nginx"
			return s
		}(), Stop, "", "", v1alpha1.ReasonNotOurs, `belongs to "them/shop/nginx"`, false},
		{"G5 one that exists is not ours", nginx(), service("", entry("kubectl-create", update, everything),
			entry("cloud", update, metadataOnly)),
			Stop, "", "", v1alpha1.ReasonNotOurs,
			"managed by kubectl-create: delete it there, or set spec.adopt", false},
		{"G5 one whose mark was taken away is not ours any more", nginx(), func() *corev1.Service {
			s := service(AnnotationCreatedBy, entry(Manager, apply, portsOnly))
			delete(s.Annotations, AnnotationCreatedBy)
			return s
		}(), Stop, "", "", v1alpha1.ReasonNotOurs, "set spec.adopt", false},
		{"G5 it is adopted if that is said", nginx(adopting), service("", entry("kubectl-create", update, everything)),
			Patch, "", "", "", "", false},
		{"G5 it is not adopted from a tool that applies", nginx(adopting), service("",
			entry("argocd-controller", apply, everything)), Stop, "", "", v1alpha1.ReasonConflict,
			"by argocd-controller: let it leave this Service, or label it with federation-dns.io/federation=fed",
			false},
		{"G3 what is being deleted is waited for", nginx(), deleting(service(AnnotationCreatedBy)),
			Stop, "", "", v1alpha1.ReasonPending, "being deleted", false},
		{"G5 what is not ours and is being deleted is not adopted", nginx(adopting), deleting(service("")),
			Stop, "", "", v1alpha1.ReasonNotOurs, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Next(tt.want, tt.have)
			if err != nil {
				t.Fatal(err)
			}
			if s.Action != tt.action || s.Reason != tt.reason || !strings.Contains(s.Message, tt.words) ||
				s.Last != tt.last {
				t.Errorf("action %d, %s %q, last %t", s.Action, s.Reason, s.Message, s.Last)
			}
			if tt.annotation == "" {
				return
			}
			m := metadata(t, s)
			uid, _ := m["uid"].(string)
			if got := m["annotations"].(map[string]any)[tt.annotation]; got != string(mark) || uid != tt.uid {
				t.Errorf("it applies %v", m)
			}
			if _, only := m["resourceVersion"]; only != (tt.action == Create) {
				t.Errorf("action %d, and what is applied creates only: %t", tt.action, only)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	other := service(AnnotationCreatedBy)
	other.Annotations[AnnotationCreatedBy] = "them/shop/nginx"
	for _, tt := range []struct {
		name   string
		have   *corev1.Service
		action Action
	}{
		{"G7 nothing", nil, Stop},
		{"G7 what we created is deleted", service(AnnotationCreatedBy), Delete},
		{"G6 what we adopted is given back", service(AnnotationAdoptedBy), Patch},
		{"G7 what is not ours stays", service(""), Stop},
		{"G7 what is another syncer's stays", other, Stop},
		{"G7 what is being deleted is left alone", deleting(service(AnnotationCreatedBy)), Stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Remove(mark, tt.have)
			if err != nil || s.Action != tt.action {
				t.Fatalf("action %d, error %v", s.Action, err)
			}
			if s.Action == Delete && (s.UID != "uid-1" || s.ResourceVersion != "7") {
				t.Errorf("it deletes what has UID %q and version %q", s.UID, s.ResourceVersion)
			}
		})
	}
}

// operations returns a patch, an operation a line.
func operations(t *testing.T, body []byte) (lines []string) {
	t.Helper()
	var all []struct {
		Op, Path string
		Value    json.RawMessage
	}
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, o := range all {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", o.Op, o.Path, o.Value)))
	}
	return lines
}

func TestPatches(t *testing.T) {
	const lock = `replace /metadata/resourceVersion "7"`
	t.Run("G6 our entries, annotation and label go, and nothing else", func(t *testing.T) {
		have := service(AnnotationAdoptedBy, entry(Manager, apply, everything), entry(Manager, update, metadataOnly),
			entry("cloud", update, metadataOnly))
		have.Annotations["a"] = "b"
		s, err := Remove(mark, have)
		if err != nil {
			t.Fatal(err)
		}
		left, _ := json.Marshal(have.ManagedFields[2:])
		want := []string{
			`test /metadata/uid "uid-1"`, lock,
			`test /metadata/labels/federation-dns.io~1federation "fed"`,
			`remove /metadata/labels/federation-dns.io~1federation`,
			`test /metadata/annotations/federation-dns.io~1adopted-by "us/shop/nginx"`,
			`remove /metadata/annotations/federation-dns.io~1adopted-by`,
			`replace /metadata/managedFields ` + string(left),
		}
		if diff := cmp.Diff(want, operations(t, s.Body)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("G6 a label that somebody else has set too stays", func(t *testing.T) {
		s, err := Remove(mark, service(AnnotationAdoptedBy, entry(Manager, apply, everything),
			entry("kubectl", update, `{"f:metadata":{"f:labels":{"f:federation-dns.io/federation":{}}}}`)))
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(operations(t, s.Body), "\n"); strings.Contains(text, "remove /metadata/labels") {
			t.Error(text)
		}
	})
	t.Run("G5 to adopt is to take the spec from clients, and to leave metadata to them", func(t *testing.T) {
		s, err := Next(nginx(adopting), service("", entry("kubectl-client-side-apply", update, everything),
			entry("cloud", update, metadataOnly)))
		if err != nil {
			t.Fatal(err)
		}
		lines := operations(t, s.Body)
		if lines[0] != `test /metadata/uid "uid-1"` || lines[1] != lock || lines[2] != "add /metadata/annotations {}" ||
			lines[3] != `add /metadata/annotations/federation-dns.io~1adopted-by "us/shop/nginx"` {
			t.Errorf("%q", lines)
		}
		var all []struct{ Value json.RawMessage }
		var entries []metav1.ManagedFieldsEntry
		if err := errors.Join(json.Unmarshal(s.Body, &all), json.Unmarshal(all[4].Value, &entries)); err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, e := range entries {
			have = append(have, fmt.Sprintf("%s %s %s", e.Manager, e.Operation, e.FieldsV1.GetRawString()))
		}
		slices.Sort(have)
		want := []string{
			"cloud Update " + metadataOnly,
			`federation-syncer Apply {"f:spec":{"f:selector":{},"f:type":{}}}`,
			`kubectl-client-side-apply Update {"f:metadata":{"f:annotations":{".":{},"f:a":{}}}}`,
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTrace(t *testing.T) {
	const ours = `{"f:spec":{"f:selector":{},"f:type":{}}}`
	have := func(entries ...metav1.ManagedFieldsEntry) *metav1.ObjectMeta {
		return &service(AnnotationCreatedBy, entries...).ObjectMeta
	}
	at := func(e metav1.ManagedFieldsEntry, second int64) metav1.ManagedFieldsEntry {
		e.Time = &metav1.Time{Time: time.Unix(second, 0)}
		return e
	}
	status := entry("cloud", update, `{"f:status":{"f:loadBalancer":{}}}`)
	status.Subresource = "status"
	before := have(at(entry(Manager, apply, ours), 1))
	for _, tt := range []struct {
		name string
		now  *metav1.ObjectMeta
		same bool
	}{
		{"G11 a status is no news", have(at(entry(Manager, apply, ours), 1), status), true},
		{"G11 a field of somebody else is no news", have(at(entry(Manager, apply, ours), 1),
			entry("cloud", update, metadataOnly)), true},
		{"G4 a field that somebody has taken is", have(at(entry(Manager, apply, `{"f:spec":{"f:type":{}}}`), 1),
			entry("kubectl-edit", update, `{"f:spec":{"f:selector":{}}}`)), false},
		{"G4 another value by our own name is", have(at(entry(Manager, apply, ours), 2)), false},
		{"G4 that we have nothing any more is", have(), false},
		{"G3 that it is being deleted is", func() *metav1.ObjectMeta {
			o := have(at(entry(Manager, apply, ours), 1))
			o.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			return o
		}(), false},
		{"G3 another Service is", func() *metav1.ObjectMeta {
			o := have(at(entry(Manager, apply, ours), 1))
			o.UID = "uid-2"
			return o
		}(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.now.ResourceVersion = "8"
			if same := Trace(before) == Trace(tt.now); same != tt.same {
				t.Errorf("the same: %t", same)
			}
			cut := tt.now.DeepCopy() // what an informer keeps
			cut.ManagedFields = Applied(tt.now)
			if Trace(cut) != Trace(tt.now) {
				t.Error("what we have applied does not suffice")
			}
		})
	}
}

func TestMark(t *testing.T) {
	t.Run("G1 a mark names the owner, the namespace and the name", func(t *testing.T) {
		m := NewMark("a/b", "shop", "nginx")
		if m.Owner() != "a/b" || !m.Of("a/b", "shop", "nginx") || m.Of("a", "shop", "nginx") ||
			Mark("x").Owner() != "" {
			t.Errorf("%s has the owner %q", m, m.Owner())
		}
	})
}

var resource = schema.GroupResource{Resource: "services"}

func conflict(manager, path string) error {
	e := apierrors.NewApplyConflict([]metav1.StatusCause{{
		Type: metav1.CauseTypeFieldManagerConflict, Field: path,
		Message: fmt.Sprintf("conflict with %q using v1", manager),
	}}, "Apply failed with 1 conflict")
	return e
}

func TestClassify(t *testing.T) {
	kind := schema.GroupKind{Kind: "Service"}
	invalid := func(message string) error {
		return apierrors.NewInvalid(kind, "nginx", field.ErrorList{field.Invalid(field.NewPath("x"), "v", message)})
	}
	forbidden := func(text string) error { return apierrors.NewForbidden(resource, "nginx", errors.New(text)) }
	for _, tt := range []struct {
		name, reason string
		retry        Retry
		err          error
		words        string
	}{
		{"no answer", v1alpha1.ReasonMemberUnreachable, Later,
			errors.New("read tcp 127.0.0.1:1234->198.51.100.9:6443: reset"), "read tcp 198.51.100.9:6443: reset"},
		{"a busy server", v1alpha1.ReasonRefused, Later, apierrors.NewServiceUnavailable("later"), "later"},
		{"an unknown account", v1alpha1.ReasonMemberUnreachable, Later, apierrors.NewUnauthorized("no"), "kubeconfig"},
		{"no namespace", v1alpha1.ReasonNamespaceMissing, OnEvent,
			apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), "shop does not exist"},
		{"no right", v1alpha1.ReasonForbidden, OnEvent, forbidden(`User "u" cannot create resource "services"`),
			"apply deploy/member-propagation-rbac.yaml"},
		{"a quota", v1alpha1.ReasonRefused, OnEvent, forbidden("exceeded quota: q"), "exceeded quota"},
		{"a webhook", v1alpha1.ReasonRefused, OnEvent,
			apierrors.NewBadRequest(`admission webhook "w" denied the request: no`), `webhook "w" denied`},
		{"a bad value", v1alpha1.ReasonRefused, OnEvent, invalid("bad"), "bad"},
		{"two families", v1alpha1.ReasonRefused, OnEvent,
			invalid("this cluster is not configured for dual-stack services"), "PreferDualStack"},
		{"a class that is set", v1alpha1.ReasonImmutableField, OnEvent, invalid("may not change once set"),
			"delete the Service there"},
		{"a family", v1alpha1.ReasonImmutableField, OnEvent,
			invalid("expected an IPv6 value as indicated by `ipFamilies[0]`"), "make another FederatedService"},
		{"a field that the member does not know", v1alpha1.ReasonFieldUnknown, OnEvent, apierrors.NewInternalError(
			errors.New("failed to create typed patch object: .spec.newField: field not declared in schema")),
			"does not know .spec.newField"},
		{"another UID", v1alpha1.ReasonPending, Again, apierrors.NewConflict(resource, "nginx",
			errors.New("uid mismatch: the provided object specified uid x, and no existing object was found")), ""},
	} {
		t.Run("G9 "+tt.name, func(t *testing.T) {
			f := Classify(fmt.Errorf("wrapped: %w", tt.err))
			if f.Reason != tt.reason || f.Retry != tt.retry || !strings.Contains(f.Message, tt.words) {
				t.Errorf("%+v", f)
			}
		})
	}
	t.Run("G4 a conflict names managers and fields", func(t *testing.T) {
		f := Classify(conflict("argocd-controller", ".spec.type"))
		if len(f.Conflicts) != 1 || f.Conflicts[0].String() != ".spec.type (argocd-controller)" {
			t.Errorf("%+v", f)
		}
	})
}

func TestContest(t *testing.T) {
	kubectl, argo := Conflict{"kubectl-edit", ".spec.type"}, Conflict{"argocd-controller", ".spec.selector.app"}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	for _, tt := range []struct {
		name  string
		drift []struct {
			at int
			by []Conflict
		}
		stop  int // the drift that is too much; 0 if none is
		words string
	}{
		{"G4 a field that is taken back twice within a minute is left alone", []struct {
			at int
			by []Conflict
		}{{0, []Conflict{argo}}, {10, []Conflict{argo}}, {20, []Conflict{argo}}}, 3,
			"argocd-controller takes .spec.selector.app back"},
		{"G4 what is slower is drift", []struct {
			at int
			by []Conflict
		}{{0, []Conflict{argo}}, {40, []Conflict{argo}}, {80, []Conflict{argo}}, {120, []Conflict{argo}}}, 0, ""},
		{"G4 each manager has its own count", []struct {
			at int
			by []Conflict
		}{{0, []Conflict{argo}}, {1, []Conflict{kubectl}}, {2, []Conflict{argo}}, {3, []Conflict{kubectl}},
			{4, []Conflict{kubectl}}}, 5, "kubectl-edit takes .spec.type back"},
		{"G4 what is removed has no manager", []struct {
			at int
			by []Conflict
		}{{0, nil}, {1, nil}, {2, nil}}, 3, "somebody undoes what is applied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Contest
			for i, d := range tt.drift {
				f, stop := c.Drift(at(d.at), d.by)
				if stop != (i+1 == tt.stop) || !strings.Contains(f.Message, tt.words) && stop {
					t.Fatalf("drift %d: %t %+v", i+1, stop, f)
				}
			}
		})
	}
}

func TestPlacement(t *testing.T) {
	m := func(name string, p v1alpha1.Propagation, namespaces ...string) *v1alpha1.MemberCluster {
		o := &v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"l": name}}}
		o.Spec.Propagation, o.Spec.Namespaces = p, namespaces
		return o
	}
	const on, off = v1alpha1.PropagationEnabled, v1alpha1.PropagationDisabled
	all := []*v1alpha1.MemberCluster{m("b", on), m("a", on), m("off", off)}
	for _, tt := range []struct {
		name      string
		placement *v1alpha1.Placement
		want      []string
	}{
		{"B4 all that are enabled", nil, []string{"a", "b"}},
		{"B4 by name, those that there are not, too", &v1alpha1.Placement{Clusters: []string{"x", "off", "b"}},
			[]string{"b", "off", "x"}},
		{"B4 by label", &v1alpha1.Placement{Selector: &metav1.LabelSelector{
			MatchLabels: map[string]string{"l": "a"}}}, []string{"a"}},
		{"B4 none by a selector that is no selector", &v1alpha1.Placement{Selector: &metav1.LabelSelector{
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "l", Operator: "Like"}}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if have := Selected(tt.placement, all); !slices.Equal(have, tt.want) {
				t.Errorf("%q", have)
			}
		})
	}
	for _, tt := range []struct {
		name, reason string
		member       *v1alpha1.MemberCluster
	}{
		{"K6 a member is read-only unless it says Enabled", v1alpha1.ReasonPropagationDisabled, m("a", "")},
		{"B4 nothing is touched where propagation is Disabled", v1alpha1.ReasonPropagationDisabled, m("a", off)},
		{"B4 nor in one that says nothing", v1alpha1.ReasonPropagationDisabled, m("a", "")},
		{"B4 nor in a namespace that it may not serve", "NamespaceRefused", m("a", on, "other")},
		{"B4 all else is open", "", m("a", on, "other", "shop")},
		{"B4 without namespaces, all are", "", m("a", on)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if f := Fence(tt.member, "shop"); f.Reason != tt.reason {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestOwe(t *testing.T) {
	t.Run("G8 what is owed stands there once, and there is room for a thousand", func(t *testing.T) {
		var owed []string
		for i := range maxOwed {
			var room bool
			for range 2 {
				if owed, room = Owe(owed, fmt.Sprintf("shop/n%d", i)); !room {
					t.Fatalf("no room for %d", i)
				}
			}
		}
		if !slices.IsSorted(owed) || len(owed) != maxOwed {
			t.Errorf("%d are owed", len(owed))
		}
		if after, room := Owe(owed, "shop/more"); room || len(after) != maxOwed {
			t.Errorf("%d are owed, room %t", len(after), room)
		}
	})
}
