package membercheck

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/test/check/texts"
)

var update = flag.Bool("update", false, "write docs/checks.md")

// TestVersions holds that the versions are those of the page.
func TestVersions(t *testing.T) {
	text, err := os.ReadFile("../../../docs/support.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| Kubernetes, members and host \| ([^|]*) \|`).FindSubmatch(text)
	if row == nil {
		t.Fatal("docs/support.md has no row of Kubernetes")
	}
	var want []string
	for minor := oldestMinor; minor <= newestMinor; minor++ {
		want = append(want, fmt.Sprintf("1.%d", minor))
	}
	if got := string(row[1]); got != strings.Join(want, ", ") {
		t.Errorf("docs/support.md supports %s, and the check %q", got, want)
	}
}

// TestConditions holds what each reason of a MemberCluster means for the way to it.
func TestConditions(t *testing.T) {
	want := map[string]check.Outcome{
		"Ready": check.OK, "Drained": check.OK, "Forbidden": check.OK, "IdentityChanged": check.OK,
		"DuplicateCluster": check.OK, "Unreachable": check.Fail, "CertificateInvalid": check.Fail,
		"Unauthorized": check.Fail, "SyncerCutOff": check.Fail, "SecretMissing": check.Unknown,
		"KubeconfigRefused": check.Unknown, "Pending": check.Unknown, "Starting": check.Unknown, "NameTaken": "",
	}
	text, err := os.ReadFile("../../../api/v1alpha1/conditions.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\tReason\w+ = "(\w+)"$`).FindAllSubmatch(text, -1) {
		reason := string(m[1])
		t.Run("CK2 member-reachable: "+reason, func(t *testing.T) {
			outcome := check.Outcome("")
			for _, f := range byCondition(&check.Member{Name: "m"}, metav1.Condition{Reason: reason, Message: "so"}) {
				outcome = f.Outcome
			}
			if expected, known := want[reason]; !known || outcome != expected {
				t.Errorf("%q, want %q (known %t)", outcome, expected, known)
			}
		})
	}
}

// TestFindings also notes the texts for docs/checks.md.
func TestFindings(t *testing.T) {
	seen := texts.Seen{}
	testInFile(t, seen)
	testSecret(t, seen)
	testIdentity(t, seen)
	seen.InUnitTests(t, "membercheck", *update)
}

// testInFile holds what is said of members of the syncer's file, whose kubeconfig only the syncer has.
func testInFile(t *testing.T, seen texts.Seen) {
	of := func(s admin.MemberStatus) *check.Member {
		return &check.Member{Name: "m", Seen: []admin.MemberStatus{s}}
	}
	for _, c := range []struct {
		name    string
		run     func(*check.Member) []check.Finding
		seen    admin.MemberStatus
		outcome check.Outcome
		text    string
	}{
		{"CK2 member-rbac: present", rightsInFile, admin.MemberStatus{Status: "present"}, check.OK,
			"lists and watches"},
		{"CK2 member-rbac: unwatched", rightsInFile, admin.MemberStatus{Status: "unwatched"}, check.Fail, "cannot be"},
		{"CK3 member-rbac: unreachable", rightsInFile, admin.MemberStatus{Status: "unreachable"}, check.Unknown,
			"in the syncer's file"},
		{"CK2 member-topology: a region", topologyInFile, admin.MemberStatus{Status: "present", Region: "eu"}, check.OK,
			"eu"},
		{"CK2 member-topology: none", topologyInFile, admin.MemberStatus{Status: "present"}, check.Fail, "global only"},
		{"CK3 member-topology: starting", topologyInFile, admin.MemberStatus{Status: "starting"}, check.Unknown,
			"in the syncer's file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.run(of(c.seen))[0]
			if f.Outcome != c.outcome || !strings.Contains(f.Text, c.text) {
				t.Errorf("%+v", f)
			}
			id, _, _ := strings.Cut(strings.Fields(c.name)[1], ":")
			seen.Add(id, f.Outcome, f.Text, "")
		})
	}
}

func testSecret(t *testing.T, seen texts.Seen) {
	m := &check.Member{Name: "m", Object: &v1alpha1.MemberCluster{}}
	m.Object.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: "SecretMissing",
		Message: "the syncer may not read it"}}
	t.Run("B3 member-secret: the syncer may not read it, which prints the rule", func(t *testing.T) {
		f := secretOf(m, nil)
		want := `$ - {apiGroups: [""], resources: [secrets], verbs: [list, watch]}`
		if f.Outcome != check.Fail || !strings.HasSuffix(f.Remedy, want) {
			t.Errorf("%+v", f)
		}
		seen.Add("member-secret", f.Outcome, f.Text, "")
	})
}

func testIdentity(t *testing.T, seen texts.Seen) {
	member := func(name, id, reason, message string) *check.Member {
		m := &v1alpha1.MemberCluster{}
		m.Status.ClusterID = id
		m.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Reason: reason, Message: message}}
		return &check.Member{Name: name, Object: m}
	}
	t.Run("CK2 member-identity: another cluster than before, with the command that confirms", func(t *testing.T) {
		f, _ := identityOf(member("m", "1", "IdentityChanged", "it is another cluster than before: the UID was 1. "+
			"Correct its kubeconfig, or confirm: kubectl annotate membercluster m x=2"), nil)
		if f.Outcome != check.Fail || strings.Contains(f.Text, "kubectl") ||
			!strings.HasSuffix(f.Remedy, "\n$ kubectl annotate membercluster m x=2") {
			t.Errorf("%+v", f)
		}
		seen.Add("member-identity", f.Outcome, f.Text, "")
	})
	t.Run("CK2 member-identity: the same cluster in the file and as an object", func(t *testing.T) {
		byID := map[string][]string{"1": {"a", "b"}}
		f, _ := identityOf(member("b", "1", "Ready", ""), byID)
		if f.Outcome != check.Fail || !strings.Contains(f.Text, "the same cluster as a,") {
			t.Errorf("%+v", f)
		}
		seen.Add("member-identity", f.Outcome, f.Text, "")
	})
	t.Run("CK3 member-identity: not seen yet", func(t *testing.T) {
		f, _ := identityOf(member("b", "", "Starting", ""), nil)
		if f.Outcome != check.Unknown {
			t.Errorf("%+v", f)
		}
		seen.Add("member-identity", f.Outcome, f.Text, "")
	})
}

func TestExpiry(t *testing.T) {
	jwt := func(payload string) *rest.Config {
		return &rest.Config{BearerToken: "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".sig"}
	}
	for _, c := range []struct {
		name   string
		config *rest.Config
		want   time.Time
	}{
		{"CK2 member-token: a token that ends", jwt(`{"exp": 1900000000}`), time.Unix(1900000000, 0)},
		{"CK2 member-token: a token that does not end", jwt(`{"sub": "x"}`), time.Time{}},
		{"CK2 member-token: no JSON Web Token", &rest.Config{BearerToken: "a.b"}, time.Time{}},
		{"CK2 member-token: no payload", &rest.Config{BearerToken: "a.%.c"}, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := expiry(c.config); !got.Equal(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestBeyond(t *testing.T) {
	rule := func(group, resource string, verbs ...string) authorizationv1.ResourceRule {
		return authorizationv1.ResourceRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	}
	enabled := &v1alpha1.MemberCluster{}
	enabled.Spec.Propagation = v1alpha1.PropagationEnabled
	propagation := rule("", "services", "get", "create", "patch", "delete")
	for _, c := range []struct {
		name   string
		member *v1alpha1.MemberCluster
		rule   authorizationv1.ResourceRule
		want   []string
	}{
		{"CK2 member-rbac-excess: to write Services", nil, propagation,
			[]string{"get, create, patch, delete services"}},
		{"CK2 member-rbac-excess: to write Services where that is enabled", enabled, propagation, nil},
		{"CK2 member-rbac-excess: what is needed", nil, rule("", "services", "list", "watch"), nil},
		{"CK2 member-rbac-excess: another verb", nil, rule("", "services", "list", "delete"),
			[]string{"list, delete services"}},
		{"CK2 member-rbac-excess: another resource", nil, rule("", "secrets", "get"), []string{"get secrets"}},
		{"CK2 member-rbac-excess: another group", nil, rule("apps", "services", "list"), []string{"list services"}},
		{"CK2 member-rbac-excess: all", nil, rule("*", "*", "*"), []string{"* *"}},
		{"CK2 member-rbac-excess: every namespace", nil, rule("", "namespaces", "get"), []string{"get namespaces"}},
		{"CK2 member-rbac-excess: what everybody may", nil,
			rule("authorization.k8s.io", "selfsubjectaccessreviews", "create"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := authorizationv1.SubjectRulesReviewStatus{ResourceRules: []authorizationv1.ResourceRule{c.rule}}
			_, allowed := expected(c.member)
			got := beyond(status, allowed)
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
