package join

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/docs"
)

var update = flag.Bool("update", false, "write docs/joining.md")

// texts are those of the errors that were seen, for docs/joining.md.
type texts map[string]string

// expect compares an error, and notes it. The addresses of the stand-ins are called SERVER, as on the page.
func (t texts) expect(tt *testing.T, when string, err error, code int, want string) {
	tt.Helper()
	if err == nil {
		tt.Fatal("there is no error")
	}
	got := strings.NewReplacer("https://host.example", "SERVER", "https://member.example", "SERVER").
		Replace(err.Error())
	if got != want {
		tt.Errorf("error\n%s\nwant\n%s", got, want)
	}
	if unknown := errors.Is(err, ErrUnknown); unknown != (code == 2) {
		tt.Errorf("nothing is known to be wrong: %t, want exit status %d", unknown, code)
	}
	t[when] = fmt.Sprintf("%s (exit status %d): `%s`", when, code, got)
}

func (t texts) table() string {
	var b strings.Builder
	for _, when := range slices.Sorted(maps.Keys(t)) {
		b.WriteString(docs.ListItem(t[when]))
	}
	return b.String()
}

// run is one of join, as it is to be changed.
type run struct {
	Options
	host, member *standIn
}

// newRun is a run that succeeds.
func newRun(t *testing.T) *run {
	r := &run{host: newHost(time.Now()), member: newMember()}
	r.Options = Options{Name: "a", Host: r.host.target(), Member: r.member.target(), Namespace: "federation-system",
		Lease: "federation-syncer", Source: &syncer{}, Timeout: time.Minute, Progress: log{t}}
	return r
}

var refusedConnection = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// asNewAccount has the member answer that to the credentials that join makes.
func (r *run) asNewAccount(err error) {
	r.member.before = func(req *http.Request) error {
		if req.Header.Get("Authorization") == newAccount {
			return err
		}
		return nil
	}
}

// failing is a run that ends with an error.
type failing struct {
	rule, when string
	change     func(*run)
	code       int
	want       string
}

// early are errors before anything is written.
var early = []failing{
	{"J1", "the cluster is a member already, as another object", func(r *run) {
		r.host.put("/apis/federation-dns.io/v1alpha1/memberclusters/old", memberObject("old", "member-id"))
	}, 1, `this cluster is a member already, as "old": unjoin that one first, or run this again with that name`},
	{"J1", "the Nodes have no labels that say where they are", func(r *run) { r.member.put(pathNode, node(nil)) }, 1,
		"the member's Nodes do not say where they are: label them (kubectl label node NODE " +
			"topology.kubernetes.io/region=REGION topology.kubernetes.io/zone=ZONE), or say it by --region and " +
			"--zones"},
	{"J1", "the file of `--certificate-authority` has no certificate", func(r *run) { r.CA = []byte("x") }, 1,
		"--certificate-authority: the file has no certificate: want one or several in PEM " +
			"(-----BEGIN CERTIFICATE-----)"},
	{"J1", "what answers is no API server", func(r *run) { r.member.put(pathVersion, object{}) }, 2,
		"the member SERVER (context member) does not answer: its answer is not that of an API server. Is this the " +
			"context that you mean, and does kubectl reach it from here?"},
	{"J1", "the Lease of the syncer is held by no replica", func(r *run) {
		r.host.put(pathLease, lease("", time.Now()))
	}, 2, "no replica holds Lease federation-system/federation-syncer: is a syncer running? (kubectl -n " +
		"federation-system get pods)"},
	{"J1", "the syncer has stopped", func(r *run) {
		r.host.put(pathLease, lease("syncer-0_1", time.Now().Add(-time.Hour)))
	}, 2, "no replica has renewed Lease federation-system/federation-syncer for 1h0m0s, the last was \"syncer-0\": " +
		"no syncer writes (kubectl -n federation-system get pods)"},
	{"J4", "the server of the kubeconfig is no URL", func(r *run) { r.Member.Config.Host = "member" }, 1,
		`the kubeconfig has the server "member", which is no URL: say by --server URL at which address the syncer ` +
			"reaches it"},
	{"J1", "you may not make an object in a namespace that is to be made", func(r *run) {
		r.member.denied = "secrets"
	}, 1, `the member SERVER (context member) refuses: secret/federation-syncer-token-1: secrets ` +
		`"federation-syncer-token-1" is forbidden: you may not create it. To join a cluster, or to unjoin it, ` +
		"takes the rights of its admin"},
}

// ofMirror are errors of the rights of a mirror, before anything is written.
var ofMirror = []failing{
	{"J1", "an account of CoreDNS is no account", func(r *run) { r.Mirror.Readers = []string{"coredns"} }, 1,
		`--coredns-account "coredns": want NAMESPACE:NAME of a ServiceAccount, like kube-system:coredns`},
	{"J1", "an account of CoreDNS is given for no mirror", func(r *run) {
		r.Mirror = MirrorRights{Wanted: new(bool), Readers: []string{"kube-system:coredns"}}
	}, 1, "--coredns-account is for the mirror, which this member is not to have: say --mirror too"},
}

// late are errors after something was written.
var late = []failing{
	{"J1", "the member refuses its new account", func(r *run) {
		r.asNewAccount(apierrors.NewForbidden(resources["Namespace"].GroupResource(), "kube-system",
			errors.New("no role allows it")))
	}, 1, `the member refuses its new account at SERVER: namespaces "kube-system" is forbidden: no role allows it`},
	{"J1", "the member does not answer its new account", func(r *run) { r.asNewAccount(refusedConnection) }, 2,
		"the member does not answer its new account at SERVER: dial tcp: connection refused"},
	{"J1", "the token is deleted before the member has filled it", func(r *run) {
		r.member.unfilled = true
		r.member.deletedOnceThere(pathToken)
	}, 1, "the Secret federation-system/federation-syncer-token-1 was deleted while the member was to fill it: does " +
		"ServiceAccount federation-syncer exist?"},
	{"J4", "the Secret is deleted while join waits", func(r *run) { r.host.deletedOnceThere(pathSecret) }, 1,
		"the Secret federation-system/member-a was deleted while the syncer was to use it"},
	{"J4", "the MemberCluster is deleted while join waits", func(r *run) { r.host.deletedOnceThere(pathMember) }, 1,
		"membercluster/a was deleted while it was to become ready"},
	{"J4", "the host does not answer any more while join waits", func(r *run) {
		r.host.before = func(req *http.Request) error {
			if r.host.objects[pathMember] != nil && req.URL.Path == pathMember {
				return refusedConnection
			}
			return nil
		}
	}, 2, "the host SERVER (context host) does not answer: membercluster/a: dial tcp: connection refused. Is this " +
		"the context that you mean, and does kubectl reach it from here?"},
}

// staying is a member that leaves, and what the syncer still has of it.
type staying struct {
	when   string
	syncer syncer
	want   string
}

const still = "the syncer still has records of a: fed in example.com: "

// with is a status with one federation.
func with(f admin.FederationStatus) admin.Status {
	f.Name, f.Domain = "fed", "example.com"
	return admin.Status{Federations: []admin.FederationStatus{f}}
}

// waiting is a change that waits for a confirmation, and takes the last address of these services.
func waiting(services ...string) admin.Status {
	return with(admin.FederationStatus{Waiting: []admin.Waiting{{Member: "a", Emptied: services}},
		Members: []admin.MemberStatus{{Name: "a", Status: "departed"}}})
}

// agreed is the service whose last address may go.
const agreed = "shop/agreed"

// leaving are errors of unjoin while the syncer is to let the member go.
var leaving = []staying{
	{"the syncer does not let the member go", syncer{status: with(admin.FederationStatus{
		Members: []admin.MemberStatus{{Name: "a", Status: "present", Object: true}}})},
		still + "it is present. Go on by kubectl federation confirm"},
	{"the member still has a level", syncer{status: with(admin.FederationStatus{
		FederationLevels: admin.FederationLevels{
			Levels: []admin.LevelStatus{{Name: "fra.example.com", Members: []string{"a"}}}}})},
		still + "it has the level fra.example.com. Go on by kubectl federation confirm"},
	{"the levels of the member stay", syncer{status: with(admin.FederationStatus{
		FederationLevels: admin.FederationLevels{Leaving: []string{"fra.example.com"}}})},
		still + "its levels are being removed. Go on by kubectl federation confirm"},
	{"the records of a service stay", syncer{status: with(admin.FederationStatus{Services: []admin.ServiceStatus{
		{Name: agreed, Records: []admin.RRsetStatus{{}}}}})},
		still + "the records of shop/agreed are being removed. Go on by kubectl federation confirm"},
	{"a service would lose its last address that was not shown", syncer{status: waiting("shop/other")},
		"shop/other would lose its last address, which was not shown: see kubectl federation confirm"},
	{"the syncer does not take the confirmation", syncer{status: waiting(agreed),
		refuses: errors.New("it does not write")},
		"the syncer does not take the confirmation: it does not write"},
}

// leave removes the member.
func (s *staying) leave(t *testing.T) error {
	t.Helper()
	host := newHost(time.Now())
	host.put(pathMember, memberObject("a", "member-id"))
	l, err := FindLeaving(t.Context(), LeaveOptions{Name: "a", Host: host.target(), Namespace: "federation-system",
		Source: &s.syncer, Timeout: time.Minute, Progress: log{t}})
	if err != nil {
		t.Fatal(err)
	}
	return l.Remove(t.Context(), []string{agreed})
}

func TestTexts(t *testing.T) {
	seen, unjoin := texts{}, texts{}
	t.Run("J1 if nothing is wrong there is no error", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if _, err := Join(t.Context(), newRun(t).Options); err != nil {
				t.Error(err)
			}
		})
	})
	early := slices.Concat(early, ofMirror)
	for i, f := range slices.Concat(early, late) {
		t.Run(f.rule+" "+f.when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRun(t)
				f.change(r)
				before := r.host.version + r.member.version
				_, err := Join(t.Context(), r.Options)
				seen.expect(t, f.when, err, f.code, f.want)
				if written := r.host.version + r.member.version - before; i < len(early) != (written == 0) {
					t.Errorf("%d objects are written", written)
				}
			})
		})
	}
	for _, f := range leaving {
		t.Run("J6 "+f.when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				unjoin.expect(t, f.when, f.leave(t), 1, f.want)
			})
		})
	}
	if !t.Failed() {
		docs.CheckGenerated(t, "../../docs/joining.md", "federation/join", *update,
			map[string]string{"join-texts": seen.table(), "unjoin-texts": unjoin.table()})
	}
}
