package check

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/federation-dns/federation/federation/display"
)

func finds(id string, severity Severity, findings ...Finding) Check {
	return Check{ID: id, Category: Members, Severity: severity, Title: id, Remedy: "$ mend {{.Subject}}",
		Run: func(context.Context, *Env) []Finding { return findings }}
}

func TestRun(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", errors.New(
		`User "eve" cannot get resource "secrets" in API group "" in the namespace "federation-system"`))
	t.Run("CK5 what does not answer is unknown, and the others are not held up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stuck := Check{ID: "stuck", Category: Host, Run: func(context.Context, *Env) []Finding {
				time.Sleep(time.Minute) // it does not even end with ctx
				return One(Good("", "too late"))
			}}
			began := time.Now()
			r := Run(t.Context(), NewEnv(Options{}), []Check{finds("quick", SeverityFail, Good("", "yes")), stuck})
			if took := time.Since(began); took >= 5*time.Second {
				t.Errorf("took %v", took)
			}
			if r.Passed != 1 || r.Unknown != 1 || r.Results[0].ID != "stuck" || r.Results[0].Outcome != Unknown ||
				!strings.Contains(r.Results[0].Findings[0].Text, "no answer within 3s") {
				t.Errorf("%+v", r)
			}
			time.Sleep(time.Minute) // the goroutine ends
		})
	})
	t.Run("CK5 a run ends when all have answered", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			Run(t.Context(), NewEnv(Options{}), []Check{finds("quick", SeverityFail, Good("", "yes"))})
			if took := time.Since(began); took > 0 {
				t.Errorf("took %v", took)
			}
		})
	})
	t.Run("CK3 a missing right is unknown, and named", func(t *testing.T) {
		f := Untested("m", forbidden)
		want := "the rule that you lack, in a Role in namespace federation-system:\n" +
			`$ - {apiGroups: [""], resources: [secrets], verbs: [get]}`
		if f.Outcome != Unknown || f.Remedy != want {
			t.Errorf("%+v", f)
		}
	})
	t.Run("CK1 what is bad is a failure or a warning, as the severity says, with the remedy", func(t *testing.T) {
		r := Run(t.Context(), NewEnv(Options{}), []Check{
			finds("hard", SeverityFail, Good("a", "yes"), Bad("b", "no"), Untested("c", forbidden)),
			finds("soft", SeverityWarn, Bad("b", "no").With("do it")),
			finds("none", SeverityFail),
		})
		type short struct {
			Outcome Outcome
			Remedy  string
		}
		var got []short
		for _, result := range r.Results {
			got = append(got, short{result.Outcome, result.Findings[len(result.Findings)/2].Remedy})
		}
		if diff := cmp.Diff([]short{{Fail, "$ mend b"}, {Warn, "do it"}}, got); diff != "" {
			t.Error(diff)
		}
		if s := r.Summary(); s != "1 failed, 1 warning, 0 passed" {
			t.Error(s)
		}
	})
}

func TestSelect(t *testing.T) {
	all := []Check{{ID: "one-check", Category: Host}, {ID: "other-check", Category: Members},
		{ID: "third-check", Category: Members}}
	for _, c := range []struct{ name, only, skip, want string }{
		{"CK4 all", "", "", "one-check other-check third-check"},
		{"CK4 only an id", "other-check", "", "other-check"},
		{"CK4 only a category, without one", "members", "third-check", "other-check"},
		{"CK4 skip a category", "", "members", "one-check"},
	} {
		t.Run(c.name, func(t *testing.T) {
			chosen, err := Select(all, strings.Fields(c.only), strings.Fields(c.skip))
			var ids []string
			for _, c := range chosen {
				ids = append(ids, c.ID)
			}
			if got := strings.Join(ids, " "); err != nil || got != c.want {
				t.Errorf("%v %q", err, got)
			}
		})
	}
	t.Run("CK4 an unknown id", func(t *testing.T) {
		_, err := Select(all, []string{"member"}, nil)
		want := `"member" is neither a check nor a category: the categories are host, members, dns, coredns, ` +
			`services; docs/checks.md lists the checks`
		if err == nil || err.Error() != want {
			t.Error(err)
		}
	})
}

func TestPrint(t *testing.T) {
	r := Run(t.Context(), NewEnv(Options{}), []Check{
		finds("member-reachable", SeverityFail, Good("a", "yes"), Good("b", "yes")),
		finds("member-rbac", SeverityFail, Good("a", "yes"),
			Bad("gce-asia-east1", "services: list is forbidden for the account of the kubeconfig, as it seems")),
	})
	var out, wide, short bytes.Buffer
	r.Print(&out, display.Options{})
	r.Print(&wide, display.Options{Wide: true})
	r.PrintShort(&short)
	t.Run("CK4 for people: what passed in one line, what failed with what to do", func(t *testing.T) {
		want := `members
  ok    member-reachable      2 of 2
  FAIL  member-rbac           gce-asia-east1: services: list is forbidden for
                              the account of the kubeconfig, as it seems
                              mend gce-asia-east1
                              docs/checks.md#member-rbac
1 failed, 1 passed
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("CK4 wide: all that was found", func(t *testing.T) {
		if n := strings.Count(wide.String(), "yes"); n != 3 {
			t.Errorf("%d of 3 findings:\n%s", n, wide.String())
		}
	})
	t.Run("CK4 short: a line for each finding that is not well", func(t *testing.T) {
		want := "FAIL member-rbac gce-asia-east1: services: list is forbidden for the account of the kubeconfig, " +
			"as it seems\n1 failed, 1 passed\n"
		if diff := cmp.Diff(want, short.String()); diff != "" {
			t.Error(diff)
		}
	})
}
