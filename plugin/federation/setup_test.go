package federation

import (
	"context"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/caddy"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	core "github.com/federation-dns/federation/federation"
)

func TestParse(t *testing.T) {
	ttl := uint32(30)
	for _, tc := range []struct {
		rule, directive string
		want            config
	}{
		{"Q1 one line is enough", "federation {\n prod example.com\n}",
			config{federations: []core.Federation{{Name: "prod", Domain: "example.com."}}}},
		{"Q1 as written for the old plugin", "federation cluster.local {\n prod Prod.Example.com.\n" +
			" staging staging.example.com\n upstream /etc/resolv.conf\n}",
			config{zones: []string{"cluster.local."}, federations: []core.Federation{
				{Name: "prod", Domain: "prod.example.com."}, {Name: "staging", Domain: "staging.example.com."}}}},
		{"Q1 every option", "federation {\n prod example.com\n topology Region1 zone1\n naming nested\n ttl 30\n" +
			" mirror elsewhere\n no_chase\n}",
			config{federations: []core.Federation{{Name: "prod", Domain: "example.com.", Naming: core.Nested}},
				naming:   core.Nested,
				topology: &core.Topology{Region: "region1", Zone: "zone1"}, ttl: &ttl, mirror: "elsewhere",
				noChase: true}},
		{"M5 no mirror is read", "federation {\n prod example.com\n mirror off\n}",
			config{federations: []core.Federation{{Name: "prod", Domain: "example.com."}}, mirror: "off"}},
		{"Q1 mirror with a dotted argument is a name", "federation {\n mirror example.com\n}",
			config{federations: []core.Federation{{Name: "mirror", Domain: "example.com."}}}},
		{"Q1 so are directives", "federation {\n cache example.com\n}",
			config{federations: []core.Federation{{Name: "cache", Domain: "example.com."}}}},
		{"Q1 options with one dotted argument are names", "federation {\n topology a.example.com\n" +
			" naming b.example.com\n ttl c.example.com\n no_chase d.example.com\n}",
			config{federations: []core.Federation{
				{Name: "topology", Domain: "a.example.com."}, {Name: "naming", Domain: "b.example.com."},
				{Name: "ttl", Domain: "c.example.com."}}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := parse(caddy.NewTestController("dns", tc.directive))
			if strings.Contains(tc.directive, "no_chase d") {
				// An underscore is in no DNS-1123 label: the line is a NAME line, and refused as one.
				if err == nil || !strings.Contains(err.Error(), `"no_chase"`) {
					t.Errorf("error %v, want one that names the federation no_chase", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(config{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUpstreamOption(t *testing.T) {
	t.Run("Q1 upstream is ignored with a warning, whatever its arguments", func(t *testing.T) {
		for _, args := range []string{"", " 192.0.2.1", " example.com", " 192.0.2.1 192.0.2.2:53",
			" /etc/resolv.conf"} {
			logged := captureLog(t)
			got, err := parse(caddy.NewTestController("dns", "federation {\n prod example.com\n upstream"+args+"\n"+
				" upstream"+args+"\n}"))
			if err != nil || len(got.federations) != 1 || !strings.Contains(logged.String(),
				`[WARNING] plugin/federation: option "upstream" is ignored`) {
				t.Errorf("upstream%s: %v, %d federations; logged %q", args, err, len(got.federations), logged)
			}
		}
	})
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ rule, directive, want string }{
		{"Q1 no federation", "federation", `at least one line "NAME DOMAIN"`},
		{"Q1 unknown option", "federation {\n prod example.com\n frobnicate now please\n}",
			`unknown option "frobnicate now please"`},
		{"Q1 duplicate", "federation {\n prod example.com\n PROD example.org\n}", `federation "PROD" is there twice`},
		{"Q1 twice in a block", "federation {\n a example.com\n}\nfederation {\n b example.com\n}",
			"federation is there twice in this server block: one directive is allowed"},
		{"Q1 an option twice", "federation {\n prod example.com\n ttl 5\n ttl 6\n}",
			"ttl is there twice: one such line is allowed"},
		{"Q1 a line with more than a domain", "federation {\n prod example.com example.org\n}",
			`unknown option "prod example.com example.org": "NAME DOMAIN", topology`},
		{"N4 a domain that is an address", "federation {\n prod 203.0.113.5\n}",
			`federation "prod": domain "203.0.113.5" ends in a number`},
		{"Q1 a fraction of a second", "federation {\n prod example.com\n ttl 5.5\n}",
			`ttl "5.5": a whole number of seconds from 0 to 3600`},
		{"N4 a domain that is a version", "federation {\n naming 1.5\n}",
			`federation "naming": domain "1.5" ends in a number`},
		{"Q1 the brace on a line of its own", "federation\n{\n myfed example.com\n}",
			`"{" is on a line of its own: put it at the end of the line`},
		{"Q1 zones, and the brace on a line of its own", "federation cluster.local\n{\n myfed example.com\n}",
			`"{" is on a line of its own`},
		{"Q1 words behind the block", "federation {\n myfed example.com\n} more", `"more" is after the block`},
		{"Q1 a block on one line", "federation { myfed example.com }", `"}" must be on a line of its own`},
		{"Q1 the last line closes the block", "federation {\n myfed example.com }\n}",
			`"}" must be on a line of its own`},
		{"Q1 an unclosed block, and a directive with a block",
			"federation {\n myfed example.com\n kubernetes cluster.local {\n endpoint http://192.0.2.1\n}\n}",
			`"{" is not allowed in the block; is a "}" missing above?`},
		{"Q1 an unclosed block, and a directive with arguments",
			"federation {\n myfed example.com\n forward . 192.0.2.53\n}",
			`forward is a directive of its own; is a "}" missing above?`},
		{"Q1 an unclosed block, and a directive with a number", "federation {\n myfed example.com\n cache 30\n}",
			`cache is a directive of its own; is a "}" missing above?`},
		{"Q1 an unclosed block, and a directive alone", "federation {\n myfed example.com\n errors\n}",
			`errors is a directive of its own; is a "}" missing above?`},
		{"Q1 name and domain in one variable or in quotes", "federation {\n \"myfed example.com\"\n}",
			`"myfed example.com" is one word: NAME and DOMAIN are two`},
		{"N4 svc", "federation {\n svc example.com\n}", `"svc" and "pod" are reserved`},
		{"N4 name", "federation {\n pr_od example.com\n}", `label "pr_od" is not a DNS-1123 label`},
		{"N4 domain", "federation {\n prod exa_mple.com\n}", `federation "prod": domain`},
		{"N4 topology", "federation {\n prod example.com\n topology re_gion\n}", `topology "re_gion": label "re_gion"`},
		{"Q1 topology without region", "federation {\n prod example.com\n topology\n}",
			`"topology REGION [ZONE]" is allowed`},
		{"Q1 naming", "federation {\n prod example.com\n naming deep\n}",
			`naming "deep": "naming flat" and "naming nested" are allowed`},
		{"Q1 ttl", "federation {\n prod example.com\n ttl 1h\n}", `ttl "1h": a whole number of seconds`},
		{"M5 mirror without a namespace", "federation {\n prod example.com\n mirror\n}",
			`mirror "": "mirror NAMESPACE" and "mirror off" are allowed`},
		{"M5 several namespaces", "federation {\n prod example.com\n mirror one two\n}",
			`mirror "one two": "mirror NAMESPACE" and "mirror off" are allowed`},
		{"M5 what is no namespace", "federation {\n prod example.com\n mirror One\n}",
			`mirror "One": the name of a namespace, or "off", is allowed`},
		{"M5 mirror twice", "federation {\n prod example.com\n mirror one\n mirror off\n}",
			"mirror is there twice: one such line is allowed"},
		{"Q1 no_chase", "federation {\n prod example.com\n no_chase really\n}",
			`no_chase "really": no argument is allowed`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := parse(caddy.NewTestController("dns", tc.directive))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			} else if strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "Testfile:") {
				t.Errorf("error %q, want one line that says where", err)
			}
		})
	}
}

func TestAttach(t *testing.T) {
	attach := func(t *testing.T, k8s, directive string) (*Federation, error) {
		t.Helper()
		cfg, err := parse(caddy.NewTestController("dns", directive))
		if err != nil {
			t.Fatal(err)
		}
		f := &Federation{config: cfg}
		return f, f.attach(stanza(t, newCluster(), k8s))
	}
	t.Run("Q1 zones default to the forward zones of the kubernetes plugin", func(t *testing.T) {
		f, err := attach(t, "kubernetes cluster.local b.local clusterset.local in-addr.arpa ip6.arpa {\n"+
			" multicluster clusterset.local\n}", "federation {\n prod example.com\n}")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, z := range f.zones {
			got = append(got, z.name)
		}
		if diff := cmp.Diff([]string{"cluster.local.", "b.local."}, got); diff != "" {
			t.Error(diff)
		}
	})
	for _, tc := range []struct{ rule, k8s, directive, want string }{
		{"Q1 a zone that the kubernetes plugin does not have", usualKubernetes,
			"federation other.local {\n prod example.com\n}", `zone "other.local." is not a forward zone`},
		{"Q1 a reverse zone", "kubernetes cluster.local in-addr.arpa",
			"federation in-addr.arpa {\n prod example.com\n}", "is not a forward zone"},
		{"Q1 a multicluster zone", "kubernetes cluster.local clusterset.local {\n multicluster clusterset.local\n}",
			"federation clusterset.local {\n prod example.com\n}", "is not a forward zone"},
		{"N4 a domain in a zone of the kubernetes plugin", usualKubernetes, "federation {\n prod fed.cluster.local\n}",
			"would loop back here"},
		{"N4 a level in a zone of the kubernetes plugin", "kubernetes region1.example.com",
			"federation {\n prod example.com\n topology region1\n}", "would loop back here"},
		{"Q12 noendpoints", "kubernetes cluster.local {\n noendpoints\n}", "federation {\n prod example.com\n}",
			"noendpoints"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if _, err := attach(t, tc.k8s, tc.directive); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	t.Run("Q12 the options of the kubernetes plugin are where we look", func(t *testing.T) {
		k := stanza(t, newCluster(), usualKubernetes)
		for name, kind := range map[string]reflect.Kind{"initEndpointsCache": reflect.Bool,
			"multiclusterZones": reflect.Slice} {
			if _, err := option(k, name, kind); err != nil {
				t.Errorf("see Q12: %v", err)
			}
		}
	})
	t.Run("Q12 an option that cannot be read is refused, not taken for one that is not set", func(t *testing.T) {
		k := stanza(t, newCluster(), usualKubernetes)
		for name, kind := range map[string]reflect.Kind{"initEndpointsCache": reflect.String,
			"multiclusterZones": reflect.Map, "renamed": reflect.Bool} {
			if _, err := option(k, name, kind); err == nil || !strings.Contains(err.Error(), name) ||
				!strings.Contains(err.Error(), "docs/plugin.md") {
				t.Errorf("%s: error %v", name, err)
			}
		}
	})
	t.Run("N4 a level learnt later that would lead back is skipped", func(t *testing.T) {
		f, err := attach(t, "kubernetes region1.example.com", "federation {\n prod example.com\n}")
		if err != nil {
			t.Fatal(err)
		}
		logged := captureLog(t)
		f.setTopology(core.Topology{Region: "region1", Zone: "zone1"})
		want := `[ERROR] plugin/federation: federation "prod": level "prod.svc.region1.example.com." ` +
			"lies in a zone of the kubernetes plugin and is skipped"
		if !strings.Contains(logged.String(), want) {
			t.Errorf("logged %s", logged)
		}
		levels := []string{"prod.svc.zone1.example.com.", "prod.svc.example.com."}
		if diff := cmp.Diff(levels, f.feds[0].levels.Load().suffixes); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNodeTopology(t *testing.T) {
	node := func(labels map[string]string) *cluster {
		c := newCluster()
		c.setNode("node1", labels)
		return c
	}
	t.Setenv("NODE_NAME", "node1")
	for _, tc := range []struct {
		rule   string
		labels map[string]string
		want   core.Topology
		fails  bool
	}{
		{"Q10 the usual labels", map[string]string{"topology.kubernetes.io/region": "r",
			"topology.kubernetes.io/zone": "z", "failure-domain.beta.kubernetes.io/zone": "old"},
			core.Topology{Region: "r", Zone: "z"}, false},
		{"Q10 else the beta labels", map[string]string{"failure-domain.beta.kubernetes.io/region": "r",
			"failure-domain.beta.kubernetes.io/zone": "z"}, core.Topology{Region: "r", Zone: "z"}, false},
		{"N4 lower case", map[string]string{"topology.kubernetes.io/region": "Region"}, core.Topology{Region: "region"},
			false},
		{"N4 an invalid label counts as missing", map[string]string{"topology.kubernetes.io/region": "r",
			"topology.kubernetes.io/zone": "a.b"}, core.Topology{Region: "r"}, true},
		{"Q10 no labels", nil, core.Topology{}, true},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			got, err := nodeTopology(context.Background(), node(tc.labels))
			if got != tc.want || (err != nil) != tc.fails {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	t.Run("Q10 the node of the endpoint with our own address", func(t *testing.T) {
		c := newCluster()
		c.slice("healthy.ns", "10.5.0.7")
		c.endpoints["healthy.ns"][1].Subsets[0].Addresses[0].NodeName = "node7"
		ours := []net.Addr{&net.IPNet{IP: net.IPv4(127, 0, 0, 1)}, &net.IPNet{IP: net.IPv4(192, 0, 2, 1)},
			&net.IPNet{IP: net.IPv4(10, 5, 0, 7)}}
		if got := nodeOfOurPod(c, ours); got != "node7" {
			t.Errorf("got %q", got)
		}
		if got := nodeOfOurPod(c, ours[:2]); got != "" {
			t.Errorf("got %q of another's address", got)
		}
	})
	t.Run("Q10 no answer asks the API server", func(t *testing.T) {
		c := newCluster()
		f := newPlugin(t, c, newRecords(t, published...), usualKubernetes, usualFederation)
		for _, name := range []string{"healthy", "dead", "nowhere"} {
			ask(t, f, name+".ns.myfed.svc.cluster.local.", dns.TypeA)
		}
		if c.nodesAsked != 0 {
			t.Errorf("%d nodes were asked for", c.nodesAsked)
		}
	})
	t.Run("Q9 ready after the first attempt, whatever came of it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster()
			f := newPlugin(t, c, nil, usualKubernetes, "federation {\n myfed example.com\n}")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if f.Ready() {
				t.Error("ready before any attempt")
			}
			go f.learnTopology(ctx, c)
			synctest.Wait()
			if !f.Ready() {
				t.Error("not ready after an attempt that failed")
			}
			c.setNode("node1", map[string]string{"topology.kubernetes.io/region": "r"})
			time.Sleep(topologyRetry) // the clock of synctest
			synctest.Wait()
			if got := f.feds[0].levels.Load().suffixes[0]; got != "myfed.svc.r.example.com." {
				t.Errorf("after a retry names point to %q", got)
			}
		})
	})
}
