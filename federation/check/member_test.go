package check

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/live"
)

// source is a syncer with a status.
type source struct {
	live.Source
	status admin.Status
}

func (s source) Status(context.Context) (*admin.Status, error) { return &s.status, nil }

// syncerOf returns a syncer that has these members.
func syncerOf(members ...admin.MemberStatus) source {
	return source{status: admin.Status{Federations: []admin.FederationStatus{{Members: members}}}}
}

func TestEachMember(t *testing.T) {
	t.Run("CK5 a member that does not answer is unknown, and holds up no other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e := NewEnv(Options{Syncer: syncerOf(admin.MemberStatus{Name: "stuck", Status: "present"},
				admin.MemberStatus{Name: "good", Status: "present"},
				admin.MemberStatus{Name: "left", Status: "departed"})})
			r := Run(t.Context(), e, []Check{{ID: "x", Run: func(ctx context.Context, e *Env) []Finding {
				return e.EachMember(ctx, func(_ context.Context, m *Member) []Finding {
					if m.Name == "stuck" {
						time.Sleep(time.Minute) // it does not even end with ctx
					}
					return One(Good(m.Name, "yes"))
				})
			}}})
			var got []string
			for _, f := range r.Results[0].Findings {
				got = append(got, fmt.Sprint(f.Subject, " ", f.Outcome))
			}
			if s := strings.Join(got, ", "); s != "good ok, stuck ?" {
				t.Error(s)
			}
			time.Sleep(time.Minute) // the goroutine ends
		})
	})
}

func TestOwnClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": "id-1"}}`)
	}))
	t.Cleanup(server.Close)
	own := func(t *testing.T, id string, config *rest.Config) (*Client, error) {
		e := NewEnv(Options{Syncer: syncerOf(admin.MemberStatus{Name: "m", ClusterID: id}),
			Context: func(string) (*rest.Config, error) { return config, nil }})
		members, err := e.Members(t.Context())
		if err != nil || len(members) != 1 {
			t.Fatal(members, err)
		}
		return members[0].OwnClient(t.Context())
	}
	t.Run("CK6 a context that leads to another cluster is not used", func(t *testing.T) {
		if _, err := own(t, "id-2", &rest.Config{Host: server.URL}); err == nil ||
			!strings.Contains(err.Error(), "is another cluster: the UID of its kube-system is id-1") {
			t.Error(err)
		}
	})
	t.Run("CK6 the context of the member is used", func(t *testing.T) {
		for _, id := range []string{"id-1", ""} {
			if c, err := own(t, id, &rest.Config{Host: server.URL}); err != nil || c == nil {
				t.Error(id, err)
			}
		}
	})
	t.Run("CK3 without a context it is said how to name one", func(t *testing.T) {
		if _, err := own(t, "id-1", nil); err == nil || !strings.Contains(err.Error(), "--member-context m=CONTEXT") {
			t.Error(err)
		}
	})
}
