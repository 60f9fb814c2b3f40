package join

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/deploy"
)

const (
	// Manager is the field manager of all that is applied, and what the label LabelManagedBy says.
	Manager = "kubectl-federation"
	// LabelManagedBy is on what join has made, and not found: only that is deleted by unjoin.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// AnnotationHost at a token in a member is the UID of the host whose syncer uses it. Syncers of several hosts share
	// the account.
	AnnotationHost = "federation-dns.io/host"
	// KubeconfigKey is the key of the kubeconfig in the Secret of a member.
	KubeconfigKey = "kubeconfig"
)

// tokenPrefix and a number are the name of a token.
const tokenPrefix = "federation-syncer-token-"

// Object is one that join applies.
type Object = unstructured.Unstructured

// resources has the resource of each kind that is read or written here.
var resources = map[string]schema.GroupVersionResource{
	"Namespace":          {Version: "v1", Resource: "namespaces"},
	"ServiceAccount":     {Version: "v1", Resource: "serviceaccounts"},
	"Secret":             {Version: "v1", Resource: "secrets"},
	"ClusterRole":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	"ClusterRoleBinding": {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	"Role":               {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	"RoleBinding":        {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
	"MemberCluster":      v1alpha1.GroupVersion.WithResource("memberclusters"),
}

// account is what deploy/member-rbac.yaml makes in a member, and what other manifests there make for its account.
type account struct {
	objects []*Object // without the token
	token   *Object
}

// namespace and name are those of the ServiceAccount.
func (a *account) namespace() string { return a.token.GetNamespace() }
func (a *account) name() string      { return a.token.GetAnnotations()[corev1.ServiceAccountNameKey] }

// The manifests of what an account may do beyond reading.
var (
	propagationManifest = deploy.MemberPropagationRBAC
	mirrorManifest      = deploy.MemberMirrorRBAC
)

// memberAccount reads the manifests: that of the account, and those of its further rights.
func memberAccount(further ...string) (*account, error) {
	a := &account{}
	for _, manifest := range append([]string{deploy.MemberRBAC}, further...) {
		objects, err := readManifest(manifest)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			if o.GetKind() == "Secret" {
				a.token = o
				continue
			}
			a.objects = append(a.objects, o)
		}
	}
	return a, nil
}

// readManifest returns the objects of a manifest.
func readManifest(text string) (list []*Object, err error) {
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &Object{}
		err := d.Decode(&o.Object)
		switch {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("the manifests of the syncer's account in a member: %w", err)
		}
		list = append(list, o)
	}
}

// newToken returns the token of that number, for the syncer of the host with that UID.
func (a *account) newToken(n int, hostUID string) *Object {
	o := a.token.DeepCopy()
	o.SetName(tokenPrefix + strconv.Itoa(n))
	annotations := o.GetAnnotations()
	annotations[AnnotationHost] = hostUID
	o.SetAnnotations(annotations)
	return o
}

// tokenNumber returns the number in the name of a token, and 0 for other names.
func tokenNumber(name string) int {
	digits, ok := strings.CutPrefix(name, tokenPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 1 {
		return 0
	}
	return n
}

// SecretName is the name of the Secret with the kubeconfig of a member.
func SecretName(member string) string { return "member-" + member }

// memberSecret returns the Secret with the kubeconfig, in the namespace of the syncer.
func memberSecret(member, namespace string, kubeconfig []byte) *Object {
	return newObject("v1", "Secret", namespace, SecretName(member), map[string]any{
		"type": string(corev1.SecretTypeOpaque), "data": map[string]any{KubeconfigKey: encode(kubeconfig)},
	})
}

// memberCluster returns the MemberCluster: of the cluster with that UID, with the fields of spec, and with those that
// the object has from an earlier run. It notes whether join is to give rights to a mirror.
func memberCluster(member, uid string, spec map[string]any, mirrors bool, existing *Object) *Object {
	fields := owned(existing)
	maps.Copy(fields, spec)
	fields["kubeconfigSecret"] = map[string]any{"name": SecretName(member), "key": KubeconfigKey}
	o := newObject(v1alpha1.GroupVersion.String(), "MemberCluster", "", member, map[string]any{"spec": fields})
	annotations := map[string]string{v1alpha1.AnnotationClusterID: uid}
	if !mirrors {
		annotations[v1alpha1.AnnotationMirrorRights] = v1alpha1.MirrorRightsNone
	}
	o.SetAnnotations(annotations)
	return o
}

// owned returns the fields of spec that join has set before: to leave one out is to remove it.
func owned(o *Object) map[string]any {
	fields := map[string]any{}
	if o == nil {
		return fields
	}
	spec, _, _ := unstructured.NestedMap(o.Object, "spec") // without one there is nothing to keep
	for _, entry := range o.GetManagedFields() {
		if entry.Manager != Manager || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		for name := range fieldNames(entry.FieldsV1.GetRawBytes(), "spec") {
			if value, ok := spec[name]; ok {
				fields[name] = value
			}
		}
	}
	return fields
}

func newObject(apiVersion, kind, namespace, name string, content map[string]any) *Object {
	o := &Object{Object: content}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// title is how an object is called in lines and errors: kind/name, as kubectl does.
func title(o *Object) string { return strings.ToLower(o.GetKind()) + "/" + o.GetName() }

// clusterID returns which cluster a MemberCluster is to be, or was seen to be.
func clusterID(o *Object) string {
	if id := o.GetAnnotations()[v1alpha1.AnnotationClusterID]; id != "" {
		return id
	}
	id, _, _ := unstructured.NestedString(o.Object, "status", "clusterID")
	return id
}

// Redacted returns a copy of the objects for people and for Git: without a token, and without what the server adds.
func Redacted(list []*Object) []*Object {
	out := make([]*Object, len(list))
	for i, o := range list {
		o = o.DeepCopy()
		if data, ok, _ := unstructured.NestedString(o.Object, "data", KubeconfigKey); ok {
			delete(o.Object, "data")
			o.Object["stringData"] = map[string]any{KubeconfigKey: redact(data)}
		}
		out[i] = o
	}
	return out
}
