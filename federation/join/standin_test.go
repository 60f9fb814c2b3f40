package join

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/live"
)

// The paths of what the stand-ins have.
const (
	pathVersion = "/version"
	pathSystem  = "/api/v1/namespaces/kube-system"
	pathSyncer  = "/api/v1/namespaces/federation-system"
	pathLease   = "/apis/coordination.k8s.io/v1/namespaces/federation-system/leases/federation-syncer"
	pathMember  = "/apis/federation-dns.io/v1alpha1/memberclusters/a"
	pathSecret  = pathSyncer + "/secrets/member-a"
	pathToken   = pathSyncer + "/secrets/federation-syncer-token-1"
	pathNode    = "/api/v1/nodes/n"
	pathReview  = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
)

// newAccount is how the credentials that join makes are seen in a request.
const newAccount = "Bearer made"

// collections are the kinds of which lists are asked for.
var collections = []string{"endpointslices", "memberclusters", "nodes", "secrets", "services"}

type object = map[string]any

// standIn is an API server without a network, so that it can be used where time is that of synctest. It keeps what is
// applied. As a member it fills tokens, and as a host its syncer finds each MemberCluster ready.
type standIn struct {
	name     string
	objects  map[string]object // by path
	denied   string            // a resource that nobody may create
	unfilled bool              // tokens stay empty
	// before is called with each request, and may change what is there. An error is what the client gets: that of an
	// API server, or of the network.
	before func(*http.Request) error

	version int
}

func newStandIn(name string, objects map[string]object) *standIn {
	s := &standIn{name: name, objects: map[string]object{}}
	s.put(pathVersion, object{"gitVersion": "v1.37.2"})
	s.put(pathSystem, object{"apiVersion": "v1", "kind": "Namespace",
		"metadata": object{"name": "kube-system", "uid": name + "-id"}})
	for at, o := range objects {
		s.put(at, o)
	}
	return s
}

// newHost is a host whose syncer has renewed its Lease at that time.
func newHost(renewed time.Time) *standIn {
	return newStandIn("host", map[string]object{
		pathSyncer: {"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": "federation-system"}},
		pathLease:  lease("syncer-0_1", renewed),
	})
}

func lease(holder string, renewed time.Time) object {
	return object{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": object{"name": "federation-syncer", "namespace": "federation-system"},
		"spec":     object{"holderIdentity": holder, "renewTime": renewed.UTC().Format(metav1.RFC3339Micro)}}
}

func newMember() *standIn {
	return newStandIn("member", map[string]object{pathNode: node(object{
		"topology.kubernetes.io/region": "fra", "topology.kubernetes.io/zone": "fra-b"})})
}

func node(labels object) object {
	return object{"metadata": object{"name": "n", "labels": labels}}
}

// memberObject is the MemberCluster of an earlier run, of the cluster with that id.
func memberObject(name, id string) object {
	return object{"apiVersion": "federation-dns.io/v1alpha1", "kind": "MemberCluster",
		"metadata": object{"name": name, "annotations": object{"federation-dns.io/cluster-id": id}}}
}

func (s *standIn) put(at string, o object) {
	if o["apiVersion"] != nil {
		s.version++
		meta := o["metadata"].(object)
		meta["resourceVersion"], meta["generation"] = strconv.Itoa(s.version), 1
		if meta["uid"] == nil {
			meta["uid"] = "uid-" + strconv.Itoa(s.version)
		}
	}
	s.objects[at] = o
}

// target leads to the stand-in.
func (s *standIn) target() Target {
	return Target{Context: s.name, Config: &rest.Config{Host: "https://" + s.name + ".example",
		WrapTransport: func(http.RoundTripper) http.RoundTripper { return s }}}
}

// RoundTrip implements http.RoundTripper.
func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	o, err := s.answer(r)
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
		status.ErrStatus.APIVersion, status.ErrStatus.Kind = "v1", "Status"
		w.WriteHeader(int(status.ErrStatus.Code))
		err = json.NewEncoder(w).Encode(status.ErrStatus)
	} else if err == nil {
		err = json.NewEncoder(w).Encode(o)
	}
	return w.Result(), err
}

func (s *standIn) answer(r *http.Request) (object, error) {
	if s.before != nil {
		if err := s.before(r); err != nil {
			return nil, err
		}
	}
	at := r.URL.Path
	missing := apierrors.NewNotFound(resources["Secret"].GroupResource(), path.Base(at))
	switch o := s.objects[at]; {
	case r.Method == http.MethodGet && slices.Contains(collections, path.Base(at)):
		return s.list(at, strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadataList")), nil
	case r.Method == http.MethodPatch:
		return s.apply(r)
	case r.Method == http.MethodPost && at == pathReview:
		return s.review(r)
	case o == nil:
		return nil, missing
	case r.Method == http.MethodDelete:
		delete(s.objects, at)
		return object{"apiVersion": "v1", "kind": "Status", "status": "Success"}, nil
	case r.Method == http.MethodGet:
		return o, nil
	}
	return nil, apierrors.NewInternalError(fmt.Errorf("the stand-in has no %s %s", r.Method, at))
}

func (s *standIn) list(at string, metadata bool) object {
	list := object{"apiVersion": "v1", "kind": "List", "metadata": object{}, "items": []object{}}
	if metadata {
		list["apiVersion"], list["kind"] = "meta.k8s.io/v1", "PartialObjectMetadataList"
	}
	for name, o := range s.objects {
		if path.Dir(name) == at {
			list["items"] = append(list["items"].([]object), o)
		}
	}
	return list
}

func (s *standIn) apply(r *http.Request) (object, error) {
	var o object
	if err := decodeBody(r, &o); err != nil {
		return nil, err
	}
	at := r.URL.Path
	if namespace := path.Dir(path.Dir(at)); strings.HasPrefix(at, "/api/v1/namespaces/") && path.Base(namespace) !=
		"v1" && s.objects[namespace] == nil {
		return nil, apierrors.NewNotFound(resources["Namespace"].GroupResource(), path.Base(namespace))
	}
	switch {
	case r.URL.Query().Has("dryRun"):
		return o, nil
	case o["type"] == "kubernetes.io/service-account-token" && !s.unfilled:
		o["data"] = object{"token": encode([]byte("made"))}
	case o["kind"] == "MemberCluster":
		o["status"] = object{"conditions": []object{{"type": "Ready", "status": "True", "reason": "Ready",
			"observedGeneration": 1}}}
	}
	s.put(at, o)
	return o, nil
}

func (s *standIn) review(r *http.Request) (object, error) {
	var o struct {
		Spec struct{ ResourceAttributes struct{ Resource string } }
	}
	if err := decodeBody(r, &o); err != nil {
		return nil, err
	}
	return object{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"status": object{"allowed": o.Spec.ResourceAttributes.Resource != s.denied}}, nil
}

func decodeBody(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// deletedOnceThere deletes what is at a path as soon as it is there and asked for.
func (s *standIn) deletedOnceThere(at string) {
	s.before = func(r *http.Request) error {
		if r.Method == http.MethodGet && r.URL.Path == at {
			delete(s.objects, at)
		}
		return nil
	}
}

// syncer is a syncer with a status.
type syncer struct {
	live.Source
	status  admin.Status
	refuses error // a confirmation
}

func (s *syncer) Status(context.Context) (*admin.Status, error) { return &s.status, nil }

func (s *syncer) Confirm(context.Context, []admin.Waiting) (int, error) { return 0, s.refuses }

// log is a Progress in the log of a test.
type log struct{ *testing.T }

func (l log) Say(topic, text string) { l.Logf("%s: %s", topic, text) }

func (l log) Wrote(where, object string, result Result, note string) {
	l.Logf("%s: %s %s %s", where, object, result, note)
}
