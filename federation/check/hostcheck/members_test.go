package hostcheck

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/check/texts"
)

func testKnown(t *testing.T, provoked texts.Seen) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	e := check.NewEnv(check.Options{Now: func() time.Time { return now }})
	object := func(age time.Duration, reason string) *v1alpha1.MemberCluster {
		m := &v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: "m",
			CreationTimestamp: metav1.NewTime(now.Add(-age))}}
		m.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: reason,
			Message: "a member of the configuration file has this name, and counts instead"}}
		return m
	}
	seen := func(status string) []admin.MemberStatus { return []admin.MemberStatus{{Name: "m", Status: status}} }
	for _, c := range []struct {
		name         string
		member       *check.Member
		outcome      check.Outcome
		text, remedy string
	}{
		{"CK2 members-known: departed", &check.Member{Seen: seen("departed")}, check.Fail,
			"not in the configuration any more", "$ kubectl federation confirm"},
		{"CK2 members-known: of the file", &check.Member{Seen: seen("present")}, check.OK, "in the syncer's file", ""},
		{"CK2 members-known: taken up", &check.Member{Object: object(time.Hour, "Ready"), Seen: seen("present")},
			check.OK, "taken it up", ""},
		{"CK2 members-known: new", &check.Member{Object: object(time.Second, "Pending")}, check.Unknown, "it is new",
			""},
		{"CK2 members-known: the name of one in the file",
			&check.Member{Object: object(time.Hour, "NameTaken"), Seen: seen("present")}, check.Fail, "counts instead",
			"$ kubectl delete membercluster m"},
		{"B3 members-known: the syncer does not see it",
			&check.Member{Object: object(time.Hour, "Pending")}, check.Fail, "not taken it up",
			`$ - {apiGroups: ["federation-dns.io"], resources: [memberclusters], verbs: [list, watch]}`},
		{"B3 members-known: the syncer does not write its status",
			&check.Member{Object: object(time.Hour, "Pending"), Seen: seen("present")}, check.Fail,
			"does not write its status",
			`$ - {apiGroups: ["federation-dns.io"], resources: [memberclusters/status], verbs: [patch]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.member.Name = "m"
			f := known(e, c.member, true)
			if f.Outcome != c.outcome || !strings.Contains(f.Text, c.text) || !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("%+v", f)
			}
			provoked.Add("members-known", f.Outcome, f.Text, "")
		})
	}
}
