package membercluster

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

// statusEvery is how often a status is compared with what is known, and thus written, at most (K3).
const statusEvery = time.Second

// session is a Controller at work with one client.
type session struct {
	*Controller
	*client
	watch *watch
	// written are the objects that a status was written to, until the watch has them, by name.
	written map[string]written
}

type written struct {
	before string // the resource version in the watch when it was written
	object *v1alpha1.MemberCluster
}

// take takes what the watch has: kubeconfigs first, so that a new member finds its own.
func (s *session) take() {
	if !s.watch.members.HasSynced() {
		if s.watch.noMembers.err() != nil {
			s.unknown()
		}
		return
	}
	if !s.watch.secrets.HasSynced() && s.watch.noSecrets.err() == nil {
		return
	}
	var members []config.Member
	keys := map[kubeconfig.SecretKey]bool{}
	for _, m := range s.watch.list() {
		key := kubeconfig.SecretKey(m.Spec.KubeconfigSecret)
		keys[key] = true
		version, data, err := s.content(key)
		s.opt.Secrets.Set(key, version, data, err)
		members = append(members, config.Member{Name: m.Name, Spec: m.Spec, UID: uid(m)})
	}
	s.opt.Secrets.Retain(keys)
	s.send(members)
}

// uid returns the UID of the cluster that a member is to be: the one that its admin says, or that was seen first.
func uid(m *v1alpha1.MemberCluster) string {
	return cmp.Or(m.Annotations[v1alpha1.AnnotationClusterID], m.Status.ClusterID)
}

// content returns the kubeconfig at a key of a Secret with the Secret's resource version, or why there is none.
func (s *session) content(key kubeconfig.SecretKey) (version string, data []byte, err error) {
	missing := func(format string, args ...any) (string, []byte, error) {
		return "", nil, fmt.Errorf("the Secret %q in the namespace %s: %w: %s",
			key.Name, s.namespace, kubeconfig.ErrNoKubeconfig, fmt.Sprintf(format, args...))
	}
	obj, ok, _ := s.watch.secrets.GetStore().GetByKey(s.namespace + "/" + key.Name) // there is no error
	if !ok {
		if err := s.watch.noSecrets.err(); err != nil {
			return missing("the syncer may not read it, apply deploy/host-rbac.yaml")
		}
		return missing("it does not exist")
	}
	secret := obj.(*corev1.Secret)
	data, ok = secret.Data[key.Key]
	if !ok {
		return missing("it has no key %q", key.Key)
	}
	return secret.ResourceVersion, data, nil
}

// report writes each status that is not as it is due to be. It ends at the first request that the host does not answer;
// the rest is due a second later.
func (s *session) report(ctx context.Context) {
	all := s.opt.Snapshots()
	if len(all) == 0 || !s.watch.members.HasSynced() {
		return
	}
	file, states := s.inUse(), byName(all)
	taken := map[string]bool{}
	for _, cl := range file.Clusters {
		taken[cl.Member.Name] = true
	}
	for _, m := range s.watch.list() {
		m = s.newest(m)
		key := kubeconfig.SecretKey(m.Spec.KubeconfigSecret)
		status := statusOf(time.Now(), m, facts{
			taken: taken[m.Name], states: states[m.Name], kubeconfig: s.opt.Secrets.Check(key),
			spec:  file.CheckMember(config.Member{Name: m.Name, Spec: m.Spec}),
			inUse: s.opt.Secrets.InUse(key),
		})
		if same(m.Status, status) {
			continue
		}
		result, err := s.apply(ctx, m, status)
		switch {
		case err == nil:
			s.written[m.Name] = written{m.ResourceVersion, result}
			s.said.passed("status", "the status of MemberClusters is written")
		case apierrors.IsNotFound(err) || apierrors.IsConflict(err): // it is gone, or another one
		case ctx.Err() != nil:
			return
		default:
			s.said.error("status", "cannot write the status of a MemberCluster; retrying", err)
			if apierrors.ReasonForError(err) == "" { // no answer of the API server
				return
			}
		}
	}
}

// newest returns m, or what was written to it, until the watch has that.
func (s *session) newest(m *v1alpha1.MemberCluster) *v1alpha1.MemberCluster {
	w, ok := s.written[m.Name]
	if ok && w.before == m.ResourceVersion && w.object.UID == m.UID {
		return w.object
	}
	delete(s.written, m.Name)
	return m
}
