package join

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/live"
)

// LeaveOptions are which member is to leave, and how.
type LeaveOptions struct {
	// Name is the name of the member.
	Name string
	Host Target
	// Member is the cluster; nil leaves all there that is there.
	Member *Target
	// Namespace is that of the syncer in the host.
	Namespace string
	// Source is the running syncer, which removes the records.
	Source live.Source
	// Force leaves what is in the member if it cannot be reached.
	Force bool
	// Timeout is how long the syncer may take to remove the records.
	Timeout time.Duration
	// Progress is told of each step.
	Progress Progress
}

// forceTimeout is how long a member may take to answer that may be left as it is.
const forceTimeout = 2 * time.Second

// Leaving is a member that leaves, with all that is left of it.
type Leaving struct {
	LeaveOptions
	host, member *cluster // no member: it is not reached
	account      *account
	cluster      *Object // the MemberCluster
	secret       *Object // its kubeconfig
	departed     bool    // the syncer has it as a member that is gone
	shared       *Object // a token that another host uses
	objects      []*Object
	owner        string // the syncer's owner id
	services     []*corev1.Service
	unreached    []string // commands for the Services of a member that is not reached
	left         []string
}

// ErrNoMember marks the error of a name of which nothing is left.
var ErrNoMember = errors.New("no such member")

// FindLeaving finds what there is of a member, and checks that the two clusters are what they are said to be. It writes
// nothing.
func FindLeaving(ctx context.Context, opt LeaveOptions) (*Leaving, error) {
	l := &Leaving{LeaveOptions: opt}
	var err error
	if l.host, err = connect(ctx, "host", opt.Host); err != nil {
		return nil, err
	}
	if l.cluster, err = l.host.get(ctx, "MemberCluster", "", opt.Name); err != nil {
		return nil, err
	}
	propagation := ""
	if l.cluster != nil {
		propagation, _, _ = unstructured.NestedString(l.cluster.Object, "spec", "propagation")
	}
	further := []string{mirrorManifest} // whatever the last run was told
	// Of a MemberCluster that is gone, it is not known what its account could do.
	if l.cluster == nil || propagation == string(v1alpha1.PropagationEnabled) {
		further = append(further, propagationManifest)
	}
	l.account, err = memberAccount(further...)
	if err != nil {
		return nil, err
	}
	if l.secret, err = l.host.get(ctx, "Secret", opt.Namespace, SecretName(opt.Name)); err != nil {
		return nil, err
	}
	l.owner = l.host.uid
	if l.departed, err = l.isDeparted(ctx); err != nil {
		return nil, err
	}
	if err := l.findMember(ctx); err != nil {
		return nil, err
	}
	if l.cluster == nil && l.secret == nil && !l.departed && len(l.objects) == 0 && len(l.services) == 0 {
		return nil, fmt.Errorf("%w %q: the host has no MemberCluster and no Secret of it, and the syncer no records "+
			"(kubectl federation clusters lists the members)", ErrNoMember, opt.Name)
	}
	return l, nil
}

// findMember finds what the member has for the syncer. A cluster that is another one than the member is an error.
func (l *Leaving) findMember(ctx context.Context) (err error) {
	if l.Member == nil {
		return nil
	}
	connecting := ctx
	if l.Force { // there is more to do
		var cancel context.CancelFunc
		connecting, cancel = context.WithTimeout(ctx, forceTimeout)
		defer cancel()
	}
	m, err := connect(connecting, "member", *l.Member)
	switch {
	case err != nil && l.Force:
		l.Progress.Say("warning", err.Error())
		return nil
	case err != nil:
		return fmt.Errorf("%w (--force leaves its account there)", err)
	}
	if l.cluster != nil {
		if id := clusterID(l.cluster); id != "" && id != m.uid {
			return fmt.Errorf("the %s is not %q: its id is %s, and that of the member is %s", m, l.Name, m.uid, id)
		}
	}
	l.member = m
	if err := l.findServices(ctx); err != nil {
		return err
	}
	all, ours, err := m.tokens(ctx, l.account, l.host.uid)
	if err != nil {
		return err
	}
	l.objects = ours
	for _, o := range all {
		if host := o.GetAnnotations()[AnnotationHost]; host != "" && host != l.host.uid {
			l.shared = o
			return nil
		}
	}
	for i := len(l.account.objects) - 1; i >= 0; i-- { // the rights before the account, the namespace last
		o := l.account.objects[i]
		have, err := m.get(ctx, o.GetKind(), o.GetNamespace(), o.GetName())
		if err != nil {
			return err
		}
		if have != nil && (isOurs(have) || o.GetKind() != "Namespace" && m.uid != l.host.uid) {
			l.objects = append(l.objects, have)
		}
	}
	return nil
}

// Ready reports whether the object is there, so that the member can be drained first.
func (l *Leaving) Ready() bool { return l.cluster != nil }

// Remove removes the member: the object, so that the syncer lets it go, its records and levels, the Services that the
// syncer has created there, and then what it has in both clusters. It goes on after errors, and returns all of them.
// emptied are the services that may lose their last address with it, as namespace/name: they have been agreed on.
func (l *Leaving) Remove(ctx context.Context, emptied []string) error {
	var errs []error
	failed := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if l.cluster != nil {
		if l.member == nil {
			l.unreached = l.servicesLeft(ctx, l.context())
		}
		failed(l.delete(ctx, l.host, l.cluster))
	}
	let := len(errs) == 0 // the syncer no longer writes there
	if let {              // what the syncer still has as a member does not depart
		failed(l.release(ctx, emptied))
	}
	if l.secret != nil {
		failed(l.deleteOurs(ctx, l.host, l.secret))
	}
	if l.member == nil {
		l.left = l.commands()
		return errors.Join(errs...)
	}
	if let {
		for _, s := range l.services {
			failed(l.removeService(ctx, s))
		}
	}
	if l.shared != nil {
		l.Progress.Wrote(l.member.role, title(l.shared), Kept, "another host uses the account")
	}
	for _, o := range l.objects {
		if o.GetKind() == "Namespace" {
			failed(l.deleteNamespace(ctx, o))
			continue
		}
		failed(l.deleteOurs(ctx, l.member, o))
	}
	return errors.Join(errs...)
}

// Left are commands for what was left where it is.
func (l *Leaving) Left() []string { return l.left }

func (l *Leaving) delete(ctx context.Context, c *cluster, o *Object) error {
	result, err := c.delete(ctx, o)
	if err == nil {
		l.Progress.Wrote(c.role, title(o), result, "")
	}
	return err
}

// deleteOurs deletes what join has made. What was there before belongs to somebody else.
func (l *Leaving) deleteOurs(ctx context.Context, c *cluster, o *Object) error {
	if isOurs(o) {
		return l.delete(ctx, c, o)
	}
	l.Progress.Wrote(c.role, title(o), Kept, "not made by join")
	l.left = append(l.left, deleteCommand(c.Context, o))
	return nil
}

func deleteCommand(context string, o *Object) string {
	var b strings.Builder
	b.WriteString("kubectl ")
	if context != "" {
		b.WriteString("--context " + context + " ")
	}
	if o.GetNamespace() != "" {
		b.WriteString("-n " + o.GetNamespace() + " ")
	}
	return b.String() + "delete " + title(o)
}

// context is the name of the member's context in commands.
func (l *Leaving) context() string {
	if l.Member != nil && l.Member.Context != "" {
		return l.Member.Context
	}
	return "CONTEXT"
}

// commands are for what is in a member that is not reached.
func (l *Leaving) commands() (list []string) {
	context := l.context()
	list = append(list, l.unreached...)
	tokens := fmt.Sprintf("kubectl --context %s -n %s delete secret -l %s=%s", context, l.account.namespace(),
		LabelManagedBy, Manager)
	list = append(list, tokens)
	for i := len(l.account.objects) - 1; i >= 0; i-- {
		if o := l.account.objects[i]; o.GetKind() != "Namespace" && !isMirror(o) {
			list = append(list, deleteCommand(context, o))
		}
	}
	return append(list, mirrorNamespaceOf(context))
}

// deleteNamespace deletes the namespace that join has made, unless something is in it.
func (l *Leaving) deleteNamespace(ctx context.Context, o *Object) error {
	if l.host.uid == l.member.uid && o.GetName() == l.account.namespace() { // it is the syncer's (J5)
		l.Progress.Wrote(l.member.role, title(o), Kept, "it is the host's")
		return nil
	}
	var what string
	var err error
	if isMirror(o) {
		what, err = l.member.emptyMirror(ctx, l.owner)
	} else {
		what, err = l.member.contentOf(ctx, o.GetName())
	}
	switch {
	case err != nil:
		return err
	case what != "":
		l.Progress.Wrote(l.member.role, title(o), Kept, "it has "+what)
		l.left = append(l.left, deleteCommand(l.member.Context, o))
		return nil
	}
	return l.delete(ctx, l.member, o)
}

// contentOf returns an object in a namespace that is not one of those that each namespace has; "" if there is none.
func (c *cluster) contentOf(ctx context.Context, namespace string) (string, error) {
	lists, err := c.core.Discovery().ServerPreferredNamespacedResources()
	if err != nil && len(lists) == 0 {
		return "", c.errorf(err, "the kinds of objects")
	}
	for _, r := range listable(lists) {
		list, err := c.objects.Resource(r).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 10})
		if err != nil {
			return "", c.errorf(err, r.Resource)
		}
		for i := range list.Items {
			if o := &list.Items[i]; !isDefault(o) {
				return title(o), nil
			}
		}
	}
	return "", nil
}
