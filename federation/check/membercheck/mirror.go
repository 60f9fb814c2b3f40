package membercheck

import (
	"context"
	"fmt"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/deploy"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/mirror"
)

// mirrorOf is a member's mirror of one federation, as the syncer sees it.
type mirrorOf struct {
	federation *admin.FederationStatus
	member     *admin.MemberStatus
	*admin.MirrorStatus
}

// eachMirror looks at the mirrors of each member that has some. It is nil if none has: they are turned off.
func eachMirror(ctx context.Context, e *check.Env,
	look func(context.Context, *check.Member, []mirrorOf) []check.Finding,
) []check.Finding {
	status, err := e.Status(ctx)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	all := map[string][]mirrorOf{}
	for i := range status.Federations {
		f := &status.Federations[i]
		for j := range f.Members {
			if m := &f.Members[j]; m.Mirror != nil {
				all[m.Name] = append(all[m.Name], mirrorOf{f, m, m.Mirror})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		mirrors := all[m.Name]
		switch {
		case len(mirrors) == 0:
			return nil
		case m.Object != nil && m.Object.Annotations[v1alpha1.AnnotationMirrorRights] == v1alpha1.MirrorRightsNone:
			return check.One(check.Good(m.Name, "it is to have none, by kubectl federation join --mirror=false"))
		}
		return look(ctx, m, mirrors)
	})
}

// bad is a finding about a mirror: a failure where nothing else tells pods, and otherwise a warning.
func (m mirrorOf) bad(format string, args ...any) check.Finding {
	if m.federation.NoProvider {
		return check.Bad(m.member.Name, format, args...)
	}
	return check.Doubt(m.member.Name, format, args...)
}

func mirrorFresh(ctx context.Context, e *check.Env) []check.Finding {
	return eachMirror(ctx, e, func(_ context.Context, _ *check.Member, mirrors []mirrorOf) (found []check.Finding) {
		for _, m := range mirrors {
			of := ""
			if len(mirrors) > 1 {
				of = "federation " + m.federation.Name + ": "
			}
			found = append(found, m.fresh(of, e.Now()))
		}
		return found
	})
}

// fresh says whether a mirror is fresh and complete, and otherwise why not, and what to do.
func (m mirrorOf) fresh(of string, now time.Time) check.Finding {
	age := "never renewed"
	if m.Renewed != nil {
		age = fmt.Sprintf("renewed %v ago", max(0, now.Sub(*m.Renewed)).Round(time.Second))
	}
	state := "fresh"
	if !m.Fresh {
		state = "not fresh"
	}
	text := fmt.Sprintf("%s%s, %s", of, state, age)
	if m.member.Status != "present" {
		text += ", and the member is " + m.member.Status
	}
	if m.Reason != "" {
		text += fmt.Sprintf(": %s: %s", m.Reason, m.Detail)
	}
	switch {
	case m.Fresh && m.Reason == "":
		return check.Good(m.member.Name, "%s", text)
	case m.Reason == string(federation.ReasonMirrorRefused):
		return m.bad("%s", text).With("%s", fmt.Sprintf(mirrorRBAC, m.member.Name))
	case m.Reason == string(federation.ReasonMirrorTooLarge):
		return check.Doubt(m.member.Name, "%s", text)
	}
	return m.bad("%s", text)
}

// mirrorRBAC has the commands that give a member's mirror its rights; the member's name goes in.
const mirrorRBAC = "give the mirror its rights: run kubectl federation join again, or\n" +
	"$ kubectl --context <%s> apply -f deploy/member-mirror-rbac.yaml"

func mirrorRights(ctx context.Context, e *check.Env) []check.Finding {
	return eachMirror(ctx, e, func(ctx context.Context, m *check.Member, mirrors []mirrorOf) []check.Finding {
		if m.Object == nil {
			return mirrors[0].rightsInFile()
		}
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		role := mirrorRole()
		lacks, err := denied(ctx, c, mirror.Namespace, role)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		if len(lacks) > 0 {
			var what, lines []string
			for _, r := range lacks {
				what = append(what, fmt.Sprintf("%s in namespace %s: %s is forbidden", strings.Join(r.Resources, ", "),
					mirror.Namespace, strings.Join(r.Verbs, ", ")))
				lines = append(lines, check.Command+ruleLine(r))
			}
			return check.One(mirrors[0].bad("%s", strings.Join(what, "; ")).With("%s\nor add to the Role of the "+
				"account there\n%s", fmt.Sprintf(mirrorRBAC, m.Name), strings.Join(lines, "\n")))
		}
		_, rules := allowed(ctx, e, m)
		more, err := excessIn(ctx, c, mirror.Namespace, append(rules, role...))
		switch {
		case err != nil:
			return check.One(check.Untested(m.Name, err))
		case len(more) > 0:
			return check.One(check.Doubt(m.Name, "its account may also %s in namespace %s", strings.Join(more, "; "),
				mirror.Namespace))
		}
		return check.One(check.Good(m.Name, "what deploy/member-mirror-rbac.yaml grants, and nothing else there"))
	})
}

// mirrorRole is what the syncer may do in the namespace of mirrors.
func mirrorRole() []rbacv1.PolicyRule {
	return check.RoleRules(deploy.MemberMirrorRBAC, "federation-syncer")
}

// rightsInFile is what the syncer sees of the rights in a member of its file.
func (m mirrorOf) rightsInFile() []check.Finding {
	switch {
	case m.Reason == string(federation.ReasonMirrorRefused):
		return check.One(m.bad("%s", m.Detail).With("%s", fmt.Sprintf(mirrorRBAC, m.member.Name)))
	case m.Renewed == nil:
		return check.One(check.Untested(m.member.Name, check.ErrInFile))
	}
	return check.One(check.Good(m.member.Name, "the syncer writes it"))
}
