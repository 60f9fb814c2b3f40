package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/federation-dns/federation/federation/admin"
)

// isDeparted reports whether the syncer has the member as one that is gone. Without an answer it is not known, which is
// an error unless Force is set. A member of the configuration file is another one.
func (l *Leaving) isDeparted(ctx context.Context) (bool, error) {
	status, err := l.Source.Status(ctx)
	switch {
	case err != nil && l.Force:
		l.Progress.Say("warning", "the syncer cannot be asked, so its records stay: "+err.Error())
		return false, nil
	case err != nil:
		return false, unknown{fmt.Errorf("the syncer, which is to remove the records, cannot be asked: %w", err)}
	}
	for _, f := range status.Federations {
		if f.Owner != "" {
			l.owner = f.Owner
		}
	}
	for _, f := range status.Federations {
		if i := slices.IndexFunc(f.Members, func(m admin.MemberStatus) bool { return m.Name == l.Name }); i >= 0 {
			m := &f.Members[i]
			if m.Status != "departed" && !m.Object && l.cluster == nil {
				return false, fmt.Errorf("%q is a member of the syncer's configuration file: delete its entry there, "+
					"and let "+
					"its records go by kubectl federation confirm", l.Name)
			}
			return m.Status == "departed", nil
		}
	}
	return false, nil
}

// release has the syncer remove the records and the levels of the member, once it is gone (X4d): what it is about to
// remove is confirmed if it was agreed on.
func (l *Leaving) release(ctx context.Context, emptied []string) error {
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	var last error
	said := ""
	for {
		left, waiting, err := l.remains(ctx, emptied)
		switch {
		case err != nil:
			last = err
		case left == "":
			l.Progress.Say("syncer", "has no records and no levels of "+l.Name)
			return nil
		default:
			last = errors.New(left)
			if len(waiting) > 0 {
				if err := l.confirm(ctx, waiting, emptied); err != nil {
					return err
				}
			}
		}
		if text := last.Error(); text != said && ctx.Err() == nil {
			l.Progress.Say("syncer", text)
			said = text
		}
		if err := pause(ctx, lookEvery); err != nil {
			return fmt.Errorf("the syncer still has records of %s: %w. Go on by kubectl federation "+
				"confirm", l.Name, last)
		}
	}
}

// remains says what the syncer still has of the member; "" is nothing. Those emptied lose all records with it.
func (l *Leaving) remains(ctx context.Context, emptied []string) (left string, waiting []admin.Waiting, err error) {
	status, err := l.Source.Status(ctx)
	if err != nil {
		return "", nil, err
	}
	for _, f := range status.Federations {
		where := fmt.Sprintf("%s in %s: ", f.Name, f.Domain)
		for _, m := range f.Members {
			if m.Name == l.Name {
				left = where + "it is " + m.Status
			}
		}
		for _, lv := range f.Levels {
			if left == "" && slices.Contains(lv.Members, l.Name) {
				left = where + "it has the level " + lv.Name
			}
		}
		if left == "" && len(f.Leaving) > 0 {
			left = where + "its levels are being removed"
		}
		for _, s := range f.Services {
			if left == "" && len(s.Shards) == 0 && len(s.Records) > 0 && slices.Contains(emptied, s.Name) {
				left = where + "the records of " + s.Name + " are being removed"
			}
		}
		for _, w := range f.Waiting {
			if w.Member == l.Name {
				waiting = append(waiting, w)
			}
		}
	}
	return left, waiting, nil
}

// confirm confirms what waits, unless more goes than was agreed on.
func (l *Leaving) confirm(ctx context.Context, waiting []admin.Waiting, agreed []string) error {
	for _, w := range waiting {
		for _, s := range w.Emptied {
			if !slices.Contains(agreed, s) {
				return fmt.Errorf("%s would lose its last address, which was not shown: see kubectl federation confirm",
					s)
			}
		}
	}
	n, err := l.Source.Confirm(ctx, waiting)
	if err != nil {
		return fmt.Errorf("the syncer does not take the confirmation: %w", err)
	}
	if n > 0 {
		l.Progress.Say("syncer", fmt.Sprintf("removes what %s has in DNS", l.Name))
	}
	return nil
}

// OnlyAt returns the services whose only healthy shard is that of the member, as namespace/name.
func OnlyAt(status *admin.Status, member string) (list []string) {
	for _, f := range status.Federations {
		for _, s := range f.Services {
			only := false
			for _, sh := range s.Shards {
				if sh.Healthy && sh.Member != member {
					only = false
					break
				}
				only = only || sh.Healthy
			}
			if only && !slices.Contains(list, s.Name) {
				list = append(list, s.Name)
			}
		}
	}
	slices.Sort(list)
	return list
}

// listable returns the resources whose objects a namespace can have, but for what comes and goes by itself.
func listable(lists []*metav1.APIResourceList) (all []schema.GroupVersionResource) {
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			if slices.Contains(r.Verbs, "list") && !strings.Contains(r.Name, "/") && r.Name != "events" {
				all = append(all, gv.WithResource(r.Name))
			}
		}
	}
	return all
}

// isDefault reports whether each namespace has such an object, or it is on its way out.
func isDefault(o *Object) bool {
	return o.GetDeletionTimestamp() != nil || o.GetKind() == "ConfigMap" && o.GetName() == "kube-root-ca.crt" ||
		o.GetKind() == "ServiceAccount" && o.GetName() == "default" ||
		o.GetKind() == "Secret" && o.GetAnnotations()[corev1.ServiceAccountNameKey] == "default"
}
