package federatedservice

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

// faults are the classes, and how each begins. What is returned ends it; nil if there is nothing to begin with.
var faults = map[string]func(c *chaos, m *stage.Member, name string) (end func()){
	"service-deleted":      (*chaos).deleteService,
	"service-edited":       (*chaos).editService,
	"service-replaced":     (*chaos).replaceService,
	"faster":               (*chaos).beFaster,
	"replaced-at-delete":   (*chaos).replaceAtDelete,
	"namespace-deleted":    (*chaos).deleteNamespace,
	"refused":              (*chaos).refuse,
	"quota":                (*chaos).quota,
	"right-revoked":        (*chaos).revoke,
	"propagation-disabled": (*chaos).disable,
	"member-cut":           (*chaos).cut,
	"syncer-kill":          (*chaos).killSyncer,
}

// fault begins one of the classes that are drawn, unless the member has one already.
func (c *chaos) fault() {
	classes := strings.FieldsFunc(*favour, func(r rune) bool { return r == ',' })
	if len(classes) == 0 {
		for class := range faults {
			classes = append(classes, class)
		}
		slices.Sort(classes)
	}
	class := classes[c.rng.IntN(len(classes))]
	m, name := c.Members[c.rng.IntN(len(c.Members))], fmt.Sprintf("f%d", c.rng.IntN(chaosNames))
	lasts := time.Second + time.Duration(c.rng.IntN(6000))*time.Millisecond
	if class == "propagation-disabled" {
		lasts += fenceGrace // so that there is a time in which nothing may change
	}
	begin := faults[class]
	if begin == nil {
		c.Fatalf("-favour %q: there is no class %q", *favour, class)
	}
	if slices.ContainsFunc(c.active, func(p *playing) bool {
		return p.on == m || class == "syncer-kill" && p.class == class
	}) {
		return
	}
	if end := begin(c, m, name); end != nil {
		c.counts[class]++
		c.active = append(c.active, &playing{class, m, time.Now().Add(lasts), end})
	}
}

func nothing() {}

// ours returns a Service of ours in the member.
func (c *chaos) ours(m *stage.Member, name string) *corev1.Service {
	have := m.Service(c, name)
	if have == nil || have.Annotations[propagate.AnnotationCreatedBy] == "" {
		return nil
	}
	return have
}

func (c *chaos) deleteService(m *stage.Member, name string) func() {
	have := c.ours(m, name)
	if have == nil {
		return nil
	}
	c.judge.tell(func() { c.judge.done[have.UID] = true })
	c.remove(m, have)
	return nothing
}

func (c *chaos) remove(m *stage.Member, have *corev1.Service) {
	err := m.API.CoreV1().Services("shop").Delete(c.Context(), have.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &have.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		c.Error(err)
	}
}

func (c *chaos) editService(m *stage.Member, name string) func() {
	have := c.ours(m, name)
	if have == nil {
		return nil
	}
	c.judge.tell(func() { c.judge.done[have.UID] = true })
	_, err := m.API.CoreV1().Services("shop").Patch(c.Context(), name, types.MergePatchType,
		[]byte(`{"metadata": {"annotations": {"a": "b"}}, "spec": {"selector": {"app": "edited"}}}`),
		metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil && !apierrors.IsNotFound(err) {
		c.Error(err)
	}
	return nothing
}

// settleIn creates a Service of somebody else, with values that are equal to ours, and tells the judge before its watch
// does.
func (c *chaos) settleIn(ctx context.Context, m *stage.Member, name string) {
	f := stage.Nginx(name)
	c.judge.tell(func() {
		have, err := m.API.CoreV1().Services("shop").Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: f.Spec.Template.Metadata.Labels},
			Spec:       f.Spec.Template.Spec,
		}, metav1.CreateOptions{FieldManager: "somebody"})
		switch {
		case err == nil:
			c.judge.theirs[place{m.Name, name}] = have
		case !apierrors.IsAlreadyExists(err) && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err):
			fmt.Fprintln(os.Stderr, err)
		}
	})
}

// leave has somebody else delete their Service again.
func (c *chaos) leave(m *stage.Member, name string) func() {
	return func() {
		var have *corev1.Service
		c.judge.tell(func() {
			p := place{m.Name, name}
			if have = c.judge.theirs[p]; have != nil {
				c.judge.done[have.UID] = true
				delete(c.judge.theirs, p)
			}
		})
		if have != nil && c.rng.IntN(2) == 0 {
			c.remove(m, have)
		} else if have != nil { // it stays for now
			c.judge.tell(func() {
				delete(c.judge.done, have.UID)
				c.judge.theirs[place{m.Name, name}] = have
			})
		}
	}
}

func (c *chaos) replaceService(m *stage.Member, name string) func() {
	if have := c.ours(m, name); have != nil {
		c.judge.tell(func() { c.judge.done[have.UID] = true })
		c.remove(m, have)
		c.settleIn(c.Context(), m, name)
		return c.leave(m, name)
	}
	var have *corev1.Service
	c.judge.tell(func() { have = c.judge.theirs[place{m.Name, name}] })
	if have == nil {
		return nil
	}
	return c.leave(m, name)
}

func (c *chaos) race(m *stage.Member, name, verb string, do func()) func() {
	p := place{m.Name, name}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.races[p]; ok {
		return nil
	}
	c.races[p] = race{verb, do}
	return c.leave(m, name)
}

func (c *chaos) beFaster(m *stage.Member, name string) func() {
	return c.race(m, name, "APPLY", func() { c.settleIn(c.Context(), m, name) })
}

func (c *chaos) replaceAtDelete(m *stage.Member, name string) func() {
	return c.race(m, name, "DELETE", func() {
		if have := c.ours(m, name); have != nil {
			c.judge.tell(func() { c.judge.done[have.UID] = true })
			c.remove(m, have)
			c.settleIn(c.Context(), m, name)
		}
	})
}

func (c *chaos) deleteNamespace(m *stage.Member, _ string) func() {
	c.judge.tell(func() {
		c.judge.homeless[m.Name] = true
		for p := range c.judge.theirs {
			if p.member == m.Name {
				delete(c.judge.theirs, p)
			}
		}
		for i := range chaosNames {
			delete(c.judge.left, place{m.Name, fmt.Sprintf("f%d", i)})
			delete(c.judge.unsure, place{m.Name, fmt.Sprintf("f%d", i)})
		}
	})
	c.Kubectl(m.Cluster, "", "delete", "namespace", "shop", "--timeout=60s")
	return func() {
		_, err := m.API.CoreV1().Namespaces().Get(c.Context(), "shop", metav1.GetOptions{})
		c.judge.tell(func() {
			c.judge.homeless[m.Name] = false
			if !apierrors.IsNotFound(err) {
				c.judge.violation("namespace", place{m.Name, "shop"}, "it is there again")
			}
		})
		_, err = m.API.CoreV1().Namespaces().Create(c.Context(), &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
		if err != nil {
			c.Error(err)
		}
	}
}

const policy = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: refuse}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services]}
  matchConditions:
  - name: syncer
    expression: request.userInfo.username == 'system:serviceaccount:federation-system:federation-syncer'
  validations:
  - {expression: "false", message: nobody shall have a Service today}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: refuse}
spec: {policyName: refuse, validationActions: [Deny]}
`

func (c *chaos) refuse(m *stage.Member, _ string) func() {
	c.Kubectl(m.Cluster, policy, "apply", "-f", "-")
	return func() { c.Kubectl(m.Cluster, policy, "delete", "-f", "-") }
}

// quota leaves no room for another Service. It sets the status itself, as no controller of quotas runs.
func (c *chaos) quota(m *stage.Member, _ string) func() {
	quotas, none := m.API.CoreV1().ResourceQuotas("shop"), corev1.ResourceList{"services": resource.MustParse("0")}
	have, err := quotas.Create(c.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec: corev1.ResourceQuotaSpec{Hard: none}}, metav1.CreateOptions{})
	if err == nil {
		have.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none}
		_, err = quotas.UpdateStatus(c.Context(), have, metav1.UpdateOptions{})
	}
	if err != nil {
		c.Error(err)
	}
	return func() {
		if err := quotas.Delete(c.Context(), "none", metav1.DeleteOptions{}); err != nil {
			c.Error(err)
		}
	}
}

func (c *chaos) revoke(m *stage.Member, _ string) func() {
	bindings := m.API.RbacV1().ClusterRoleBindings()
	const name = "federation-syncer-propagation"
	have, err := bindings.Get(c.Context(), name, metav1.GetOptions{})
	if err == nil {
		err = bindings.Delete(c.Context(), name, metav1.DeleteOptions{})
	}
	if err != nil {
		c.Error(err)
		return nil
	}
	return func() {
		have.ResourceVersion, have.UID = "", ""
		if _, err := bindings.Create(c.Context(), have, metav1.CreateOptions{}); err != nil {
			c.Error(err)
		}
	}
}

func (c *chaos) disable(m *stage.Member, _ string) func() {
	c.SetMember(m.Name, `{"propagation": "Disabled"}`)
	c.judge.tell(func() { c.judge.fenced[m.Name] = time.Now() })
	return func() {
		owed := c.MemberCluster(m.Name).Status.PendingDeletions
		for i := range chaosNames {
			name := fmt.Sprintf("f%d", i)
			have := c.ours(m, name)
			if have == nil {
				continue
			}
			switch f := c.Get(name); {
			case f == nil && slices.Contains(owed, "shop/"+name): // from before it was Disabled
				c.judge.tell(func() { c.judge.unsure[place{m.Name, name}] = have.UID })
			case f == nil:
				c.judge.tell(func() { c.judge.left[place{m.Name, name}] = have.UID })
			case f.DeletionTimestamp != nil:
				c.judge.tell(func() { c.judge.unsure[place{m.Name, name}] = have.UID })
			}
		}
		c.judge.tell(func() { delete(c.judge.fenced, m.Name) })
		c.SetMember(m.Name, `{"propagation": "Enabled"}`)
	}
}

func (c *chaos) cut(m *stage.Member, _ string) func() {
	m.Proxy.Set(cutproxy.Reset)
	return func() { m.Proxy.Set(cutproxy.Pass) }
}

func (c *chaos) killSyncer(*stage.Member, string) func() {
	c.Kill()
	return func() { c.Restart() }
}

// is says why a condition has another reason.
func is(conditions []metav1.Condition, condition, reason string) error {
	switch have := meta.FindStatusCondition(conditions, condition); {
	case have == nil:
		return fmt.Errorf("there is no condition %s", condition)
	case have.Reason != reason:
		return fmt.Errorf("%s is %s (%s), want %s", condition, have.Reason, have.Message, reason)
	}
	return nil
}
