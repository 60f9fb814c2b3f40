package route53_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider/internal/cloud/cloudtest"
	"github.com/federation-dns/federation/federation/provider/route53"
	"github.com/federation-dns/federation/test/fakecloud"
)

// policyFile is what an admin copies.
const policyFile = "../../../deploy/providers/route53-policy.json"

type statement struct {
	Sid       string
	Effect    string
	Action    texts
	Resource  string
	Condition map[string]map[string][]string
}

// texts is one text or a list of them.
type texts []string

func (l *texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = texts{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

func readPolicy(t *testing.T) (all []statement) {
	t.Helper()
	text, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Version   string
		Statement []statement
	}
	if err := json.Unmarshal(text, &policy); err != nil || policy.Version != "2012-10-17" {
		t.Fatalf("version %q, %v", policy.Version, err)
	}
	return policy.Statement
}

// ask is a request as IAM sees it: the values of its condition keys.
type ask struct {
	action, resource string
	values           map[string][]string
}

// asIAM is what IAM sees of a request.
func asIAM(e fakecloud.Exchange) ask {
	a := ask{action: "route53:" + e.Action, values: map[string][]string{}}
	parts := strings.Split(e.URL.Path, "/")
	a.resource = "*"
	if len(parts) > 3 {
		a.resource = "arn:aws:route53:::" + path.Join(parts[2], parts[3])
	}
	for _, line := range batchOf(e.Body) {
		w := strings.Fields(line)
		for key, value := range map[string]string{"Actions": w[0], "RecordTypes": w[1],
			"NormalizedRecordNames": strings.TrimSuffix(w[2], ".")} {
			key = "route53:ChangeResourceRecordSets" + key
			a.values[key] = append(a.values[key], value)
		}
	}
	return a
}

// like is IAM's StringLike.
func like(pattern, text string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
}

// allows returns the Sid of the statement that allows it, or "".
func allows(policy []statement, a ask) string {
	for _, s := range policy {
		fits := s.Effect == "Allow" && slices.Contains(s.Action, a.action) && like(s.Resource, a.resource)
		for operator, keys := range s.Condition {
			for key, patterns := range keys {
				for _, value := range a.values[key] {
					fits = fits && slices.ContainsFunc(patterns, func(p string) bool {
						return p == value || operator == "ForAllValues:StringLike" && like(p, value)
					})
				}
			}
		}
		if fits {
			return s.Sid
		}
	}
	return ""
}

// batchOf returns the elements of a request to change something, as "DELETE A name".
func batchOf(body []byte) (out []string) {
	one := regexp.MustCompile(`(?s)<Change>.*?<Action>(\w+)</Action>` +
		`.*?<Name>([^<]+)</Name>.*?<Type>(\w+)</Type>.*?</Change>`)
	for _, m := range one.FindAllSubmatch(body, -1) {
		out = append(out, fmt.Sprintf("%s %s %s", m[1], m[3], m[2]))
	}
	return out
}

type owned struct {
	name      federation.FQDN
	typ, data string
}

// ofFederation has what a federation may write, under both namings, and where a name can stand.
func ofFederation() (all []owned) {
	for _, naming := range []federation.Naming{federation.Flat, federation.Nested} {
		f := federation.Federation{Name: "fed", Domain: zone, Naming: naming}
		all = append(all, owned{f.LevelsName(), "TXT", `"a"`})
		for _, level := range f.Path(federation.Topology{Region: "us-central1", Zone: "us-central1-a"}) {
			suffix := f.Suffix(level)
			all = append(all, owned{f.ClaimName(level), "TXT", `"a"`}, owned{"nginx.ns." + suffix, "A", "192.0.2.1"},
				owned{"six.ns." + suffix, "AAAA", "2001:db8::1"}, owned{"alias.ns." + suffix, "CNAME",
					"lb.example.org."})
		}
	}
	slices.SortFunc(all, func(a, b owned) int { return strings.Compare(string(a.name), string(b.name)) })
	return slices.Compact(all)
}

func TestPolicy(t *testing.T) {
	policy := readPolicy(t)
	s := start(t)
	names := ofFederation()
	check := checker(t)
	var mu sync.Mutex
	used := map[string]bool{}
	s.Observe(func(e fakecloud.Exchange) {
		check(e)
		mu.Lock()
		defer mu.Unlock()
		sid := allows(policy, asIAM(e))
		used[sid] = true
		if sid == "" {
			t.Errorf("the policy does not allow %+v", asIAM(e))
		}
	})
	t.Run("O2 it allows what the syncer does", func(t *testing.T) {
		for _, id := range []string{zoneID, ""} {
			p := connect(t, s.Server, func(c *route53.Config) { c.HostedZoneID, c.WaitInSync = id, true })
			var changes []plan.Change
			for _, n := range names {
				to := cloudtest.Set(n.name, n.typ, n.data)
				changes = append(changes, plan.Change{Name: to.Name, To: []federation.RRset{to}})
			}
			cloudtest.Must(t, p, nil, changes...)
			for i := range changes {
				changes[i].From, changes[i].To = changes[i].To, nil
			}
			cloudtest.Must(t, p, nil, changes...)
			cloudtest.List(t, p, "fed.svc."+zone)
			if _, err := p.NegativeTTL(t.Context()); err != nil {
				t.Error(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range policy {
			if !used[s.Sid] {
				t.Errorf("nothing needs statement %q", s.Sid)
			}
		}
	})
	t.Run("O2 and nothing else", func(t *testing.T) {
		resource := "arn:aws:route53:::hostedzone/" + zoneID
		change := func(action, typ, name string) ask {
			const key = "route53:ChangeResourceRecordSets"
			return ask{key, resource, map[string][]string{key + "Actions": {action}, key + "RecordTypes": {typ},
				key + "NormalizedRecordNames": {name}}}
		}
		good := change("CREATE", "A", "nginx.ns.fed.svc.example.com")
		if allows(policy, good) == "" {
			t.Fatalf("%+v is not allowed", good)
		}
		another := good
		another.resource += "X"
		for _, a := range []ask{
			another, change("UPSERT", "A", "nginx.ns.fed.svc.example.com"),
			change("CREATE", "MX", "nginx.ns.fed.svc.example.com"),
			change("CREATE", "A", "www.example.com"), change("CREATE", "A", "nginx.ns.other.svc.example.com"),
			change("CREATE", "A", "nginx.ns.xfed.svc.example.com"),
			{action: "route53:DeleteHostedZone", resource: resource},
		} {
			if sid := allows(policy, a); sid != "" {
				t.Errorf("%s allows %+v", sid, a)
			}
		}
	})
}
