package hostcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
)

// kinds are those of the API, with the type that has their fields.
var kinds = []struct {
	name string
	of   reflect.Type
}{
	{"MemberCluster", reflect.TypeFor[v1alpha1.MemberCluster]()},
	{"FederatedService", reflect.TypeFor[v1alpha1.FederatedService]()},
}

// served returns which kinds of the API group the host serves.
func served(ctx context.Context, c *check.Client) (map[string]bool, error) {
	body, err := c.Get(ctx, "/apis/"+v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	kinds := map[string]bool{}
	for _, r := range list.APIResources {
		kinds[r.Kind] = true
	}
	return kinds, nil
}

func crdsInstalled(ctx context.Context, e *check.Env) []check.Finding {
	if e.Hostless() {
		return nil
	}
	c, err := e.HostClient()
	if err != nil {
		return check.One(check.Untested("", err))
	}
	there, err := served(ctx, c)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	var has, lacks []string
	for _, k := range kinds {
		if there[k.name] {
			has = append(has, k.name)
		} else {
			lacks = append(lacks, k.name)
		}
	}
	if len(lacks) == 0 {
		return check.One(check.Good("", "%s %s", strings.Join(has, ", "), v1alpha1.GroupVersion.Version))
	}
	text := fmt.Sprintf("the host does not serve %s of %s", strings.Join(lacks, ", "), v1alpha1.GroupVersion)
	if there["MemberCluster"] {
		return check.One(check.Doubt("", "%s: Services can only be created in each member", text))
	}
	if members, err := e.Members(ctx); err == nil && len(members) > 0 {
		return check.One(check.Doubt("", "%s: the syncer has the members of its file only", text))
	}
	return check.One(check.Bad("", "%s", text))
}

// schema is the part of an OpenAPI schema that says which fields there are.
type schema struct {
	Kinds      []metav1.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
	Properties map[string]*schema        `json:"properties"`
	Items      *schema                   `json:"items"`
}

func crdsVersion(ctx context.Context, e *check.Env) []check.Finding {
	if e.Hostless() {
		return nil
	}
	c, err := e.HostClient()
	if err != nil {
		return check.One(check.Untested("", err))
	}
	body, err := c.Get(ctx, "/openapi/v3/apis/"+v1alpha1.GroupVersion.String())
	if apierrors.IsNotFound(err) {
		return nil // crds-installed says so
	}
	if err != nil {
		return check.One(check.Untested("", err))
	}
	var doc struct {
		Components struct {
			Schemas map[string]*schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return check.One(check.Untested("", fmt.Errorf("the schema that the API server serves: %w", err)))
	}
	var findings []check.Finding
	for _, k := range kinds {
		for _, s := range doc.Components.Schemas {
			if len(s.Kinds) != 1 || s.Kinds[0].Kind != k.name {
				continue
			}
			if lacks := missing(k.of, s, ""); len(lacks) > 0 {
				findings = append(findings, check.Bad(k.name, "the host's CRD lacks %s", strings.Join(lacks, ", ")))
			} else {
				findings = append(findings, check.Good(k.name, "all fields are there"))
			}
		}
	}
	return findings
}

// missing returns the fields of a type that a schema lacks. Types of other packages are Kubernetes' own.
func missing(t reflect.Type, s *schema, path string) (lacks []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice && s.Items != nil {
			s = s.Items
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !strings.HasSuffix(t.PkgPath(), "api/v1alpha1") {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" && strings.Contains(options, "inline") {
			lacks = append(lacks, missing(f.Type, s, path)...)
			continue
		}
		here := strings.TrimPrefix(path+"."+name, ".")
		if inner := s.Properties[name]; inner == nil {
			lacks = append(lacks, here)
		} else {
			lacks = append(lacks, missing(f.Type, inner, here)...)
		}
	}
	return lacks
}
