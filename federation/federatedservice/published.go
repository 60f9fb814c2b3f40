package federatedservice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

// published returns the condition Published, without its times: of several domains, that of the first which is not
// true.
func published(now time.Time, own []seenService, healthy int) metav1.Condition {
	if len(own) == 0 {
		return metav1.Condition{
			Type: v1alpha1.ConditionPublished, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonFederationUnknown,
			Message: "the syncer keeps no federation of this name: correct spec.federation by another " +
				"FederatedService, or add the federation to the configuration of the syncer",
		}
	}
	var first metav1.Condition
	for i, s := range own {
		c := s.published(now, healthy)
		c.Type = v1alpha1.ConditionPublished
		if c.Status != metav1.ConditionTrue {
			return c
		}
		if i == 0 {
			first = c
		}
	}
	return first
}

func (s seenService) published(now time.Time, healthy int) metav1.Condition {
	no := func(reason, format string, args ...any) metav1.Condition {
		return metav1.Condition{
			Status: metav1.ConditionFalse, Reason: reason, Message: fmt.Sprintf(format, args...),
		}
	}
	pending := metav1.Condition{Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonPending}
	claim := s.federation.Claim
	switch {
	case claim.Foreign:
		return no(v1alpha1.ReasonForeign, "another syncer has claimed the names of the federation")
	case claim.ProviderDown:
		return no(v1alpha1.ReasonProviderDown, "the DNS provider does not answer%s", because(claim.Err))
	case !claim.Held:
		pending.Message = "the syncer is about to claim the names of the federation"
		return pending
	case s.view == nil:
		return no(v1alpha1.ReasonNoHealthyShard, "no member shows the Service yet")
	}
	st := s.federation.Service(now, s.view)
	for _, b := range s.federation.Braked {
		if b.Service == s.name && !b.Watched {
			return no(v1alpha1.ReasonWaitsForConfirm, "%d names are to be deleted: kubectl federation confirm",
				len(b.Names))
		}
	}
	if len(st.Held) > 0 {
		var why []string
		for _, h := range st.Held {
			why = append(why, strings.TrimSpace(h.Member+" "+h.Reason))
		}
		return no(v1alpha1.ReasonHeld, "its records stay as they are: %s", summary(why))
	}
	if len(st.Refused) > 0 {
		return no(v1alpha1.ReasonProviderDown, "%s: %s", st.Refused[0].Name, st.Refused[0].Error)
	}
	global := string(s.global())
	has := slices.ContainsFunc(s.view.Records, func(set federation.RRset) bool { return string(set.Name) == global })
	switch {
	case healthy == 0 && !has:
		return no(v1alpha1.ReasonNoHealthyShard, "no shard is healthy, in any member: status.clusters says why")
	case !has || healthy == 0:
		pending.Message = "the records are being changed"
		return pending
	}
	return metav1.Condition{
		Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonPublished,
		Message: strings.TrimSuffix(global, ".") + " leads to healthy shards",
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// commonOf returns what of a federation concerns the status of all its services; it is not empty.
func commonOf(f *snapshot.Federation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %t %t %t %v;", f.Config.Name, f.Config.Domain, f.Claim.Held, f.Claim.Foreign,
		f.Claim.ProviderDown, f.Claim.Err)
	for _, m := range f.Members {
		fmt.Fprintf(&b, "%s %s %t %t %t %t", m.Name, m.Reach, m.Object, m.Departed, m.Drained.IsZero(),
			m.Reach.Standing == policy.Lost)
		if m.ProbeErr != nil {
			fmt.Fprintf(&b, " %s", standing([]*snapshot.Federation{f}, m.Name).failure.Message)
		}
		b.WriteByte(';')
	}
	for _, br := range f.Braked {
		fmt.Fprintf(&b, "%s %t %d;", br.Service, br.Watched, len(br.Names))
	}
	return b.String()
}
