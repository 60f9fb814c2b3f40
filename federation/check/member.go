package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

// Member is a member of the federations, as an object or in the syncer's file.
type Member struct {
	Name string
	// Object is its MemberCluster; nil if it is in the file.
	Object *v1alpha1.MemberCluster
	// Seen is how the syncer sees it in each federation: empty if it could not be asked, or has not taken it up.
	Seen []admin.MemberStatus

	env    *Env
	secret lazy[*rest.Config]
	syncer lazy[*Client]
	own    lazy[*Client]
}

// ErrInFile is the error of what only the kubeconfig of a member in the syncer's file could show.
var ErrInFile = errors.New("it is in the syncer's file: its kubeconfig is where the syncer runs")

// MemberClusters lists the objects of the host cluster.
func (e *Env) MemberClusters(ctx context.Context) ([]v1alpha1.MemberCluster, error) {
	return e.objects.get(func() ([]v1alpha1.MemberCluster, error) {
		c, err := e.HostClient()
		if err != nil {
			return nil, err
		}
		return c.memberClusters(ctx)
	})
}

// Members returns all members, sorted by name: those of the objects, and those that the syncer knows. It returns an
// error if neither can be read, or there may be more than those that can; the list then has these.
func (e *Env) Members(ctx context.Context) ([]*Member, error) {
	return e.members.get(func() ([]*Member, error) {
		byName := map[string]*Member{}
		get := func(name string) *Member {
			if byName[name] == nil {
				byName[name] = &Member{Name: name, env: e}
			}
			return byName[name]
		}
		objects, objectsErr := e.MemberClusters(ctx)
		if apierrors.IsNotFound(objectsErr) { // no such kind
			objectsErr = nil
		}
		for i := range objects {
			get(objects[i].Name).Object = &objects[i]
		}
		status, statusErr := e.Status(ctx)
		if statusErr == nil {
			for _, f := range status.Federations {
				for _, m := range f.Members {
					one := get(m.Name)
					one.Seen = append(one.Seen, m)
				}
			}
		}
		var list []*Member
		for _, m := range byName {
			list = append(list, m)
		}
		slices.SortFunc(list, func(a, b *Member) int { return cmp.Compare(a.Name, b.Name) })
		switch {
		case objectsErr != nil && !e.Hostless():
			return list, objectsErr
		case statusErr != nil && len(list) == 0:
			return list, statusErr
		}
		return list, nil
	})
}

// Departed reports whether the member is in the configuration no more: only what it has in DNS is left.
func (m *Member) Departed() bool {
	return m.Object == nil && len(m.Seen) > 0 &&
		!slices.ContainsFunc(m.Seen, func(s admin.MemberStatus) bool { return s.Status != "departed" })
}

// ClusterID returns the UID of the namespace kube-system of the member, as the syncer has seen it; "" if it has not.
func (m *Member) ClusterID() string {
	for _, s := range m.Seen {
		if s.ClusterID != "" {
			return s.ClusterID
		}
	}
	if m.Object != nil {
		return m.Object.Status.ClusterID
	}
	return ""
}

// EachMember looks at all members at once, and returns what was found of each, in order of their names. A member of
// which nothing was found before ctx ended is unknown (CK5). Departed ones are left out.
func (e *Env) EachMember(ctx context.Context, look func(ctx context.Context, m *Member) []Finding) []Finding {
	members, err := e.Members(ctx)
	members = slices.DeleteFunc(slices.Clone(members), (*Member).Departed)
	var all []Finding
	if err != nil {
		all = append(all, Untested("", err))
	}
	found := make([]chan []Finding, len(members))
	for i, m := range members {
		found[i] = make(chan []Finding, 1)
		go func() { found[i] <- look(ctx, m) }()
	}
	for i, m := range members {
		all = append(all, await(ctx, found[i], m.Name)...)
	}
	return all
}

// EachObject is EachMember for those that have a MemberCluster.
func (e *Env) EachObject(ctx context.Context, look func(ctx context.Context, m *Member) []Finding) []Finding {
	return e.EachMember(ctx, func(ctx context.Context, m *Member) []Finding {
		if m.Object == nil {
			return nil
		}
		return look(ctx, m)
	})
}

// await returns the findings, or that there were none before end.
func await(end context.Context, found <-chan []Finding, subject string) []Finding {
	select {
	case f := <-found:
		return f
	case <-end.Done():
	}
	select {
	case f := <-found:
		return f
	default:
		return One(Untested(subject, context.Cause(end)))
	}
}

// SecretConfig returns the kubeconfig with which the syncer reaches the member, from its Secret.
func (m *Member) SecretConfig(ctx context.Context) (*rest.Config, error) {
	return m.secret.get(func() (*rest.Config, error) {
		if m.Object == nil {
			return nil, ErrInFile
		}
		host, err := m.env.HostClient()
		if err != nil {
			return nil, err
		}
		key := m.Object.Spec.KubeconfigSecret
		secret, err := host.CoreV1().Secrets(m.env.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return nil, fmt.Errorf("%w: there is no Secret %q in namespace %s", kubeconfig.ErrNoKubeconfig, key.Name,
				m.env.Namespace)
		case err != nil:
			return nil, err
		}
		data, ok := secret.Data[cmp.Or(key.Key, "kubeconfig")]
		if !ok {
			return nil, fmt.Errorf("%w: the Secret %q has no key %q", kubeconfig.ErrNoKubeconfig, key.Name, key.Key)
		}
		c, err := kubeconfig.Parse(data)
		if err != nil {
			return nil, &RefusedError{fmt.Errorf("the Secret %q, key %q: %w", key.Name, key.Key, err)}
		}
		return c, nil
	})
}

// RefusedError is the error of a kubeconfig in a Secret that the syncer does not use.
type RefusedError struct{ error }

// SyncerClient returns a client of the member with the syncer's own credentials, from the Secret.
func (m *Member) SyncerClient(ctx context.Context) (*Client, error) {
	return m.syncer.get(func() (*Client, error) {
		c, err := m.SecretConfig(ctx)
		if err != nil {
			return nil, err
		}
		return newClient(c)
	})
}

// OwnClient returns a client of the member with the user's own rights there, if the user has named a context, or has
// one with the member's name. It is an error if that leads to another cluster than the syncer's.
func (m *Member) OwnClient(ctx context.Context) (*Client, error) {
	return m.own.get(func() (*Client, error) {
		if m.env.Context == nil {
			return nil, m.noContext()
		}
		config, err := m.env.Context(m.Name)
		if err != nil {
			return nil, err
		}
		if config == nil {
			return nil, m.noContext()
		}
		c, err := newClient(config)
		want := m.ClusterID()
		if err != nil || want == "" {
			return c, err
		}
		is, err := c.UID(ctx)
		if err != nil {
			return nil, fmt.Errorf("whether the context is that of the member: %w", err)
		}
		if is != want {
			return nil, fmt.Errorf("the context of the member is another cluster: the UID of its kube-system is %s, "+
				"and the syncer sees %s", is, want)
		}
		return c, nil
	})
}

// noContext says how to name the user's own way to the member.
func (m *Member) noContext() error {
	return fmt.Errorf("no context of yours leads to it: name one by --member-context %s=CONTEXT", m.Name)
}
