package explain_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/explain"
)

var update = flag.Bool("update", false, "write what is explained into the cases")

// TestCases runs the cases in testdata. The file "world" has a line for each member, shard and option:
//
//	naming nested
//	levels shards
//	fallback REGION REGION
//	foreign DOMAIN
//	member NAME [region REGION] [zones ZONE,ZONE] [STATUS]
//	shard MEMBER READY healthy|unhealthy [REASON] [ADDRESS...]
//	mirror MEMBER fresh|stale|REASON
//	provider none
//	before MEMBER healthy|unhealthy
//	ask NAME MEMBER [ZONE]
//
// The records are of before, if that is said, and mirrors are told what is now.
// What is healthy is what the records are made of; READY is what the member has. The file "want" has each step and the
// answers.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := explained(t, string(archive.Files[0].Data))
			if *update {
				archive.Files = append(archive.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[1].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// world is what the lines of a case describe.
type world struct {
	t       *testing.T
	fed     federation.Federation
	opt     federation.PublishOptions
	members []federation.Member
	status  admin.FederationStatus
	shards  []federation.Shard
	before  map[string]bool // whether its shard was healthy
	service admin.ServiceStatus
	asks    []explain.Question
}

func explained(t *testing.T, lines string) string {
	w := &world{t: t, fed: federation.Federation{Name: "fed", Domain: "example.com."},
		status:  admin.FederationStatus{Name: "fed", Domain: "example.com", State: "writing"},
		service: admin.ServiceStatus{Name: "shop/web"}, before: map[string]bool{},
		opt: federation.PublishOptions{Foreign: map[federation.FQDN]bool{},
			RegionFallback: map[federation.Label][]federation.Label{}}}
	for line := range strings.Lines(lines) {
		w.line(strings.Fields(line))
	}
	levels := federation.NewLevels(w.fed, w.members, w.opt)
	for _, lv := range levels.All() {
		st := admin.LevelStatus{Name: string(lv.Name), Kind: string(lv.Kind), Members: lv.Members}
		if lv.Foreign {
			st.Foreign = "is not ours: it is another owner's"
		}
		w.status.Levels = append(w.status.Levels, st)
	}
	before := slices.Clone(w.shards)
	for i, s := range before {
		if healthy, ok := w.before[s.Member]; ok {
			before[i].Healthy = healthy
		}
	}
	w.service.Records = records(levels, before)
	if len(w.before) > 0 || w.status.NoProvider {
		w.service.Mirror = &admin.ServiceMirror{Records: records(levels, w.shards)}
	}
	w.status.Naming, w.status.Services = string(w.fed.Naming), []admin.ServiceStatus{w.service}
	var b strings.Builder
	for _, q := range w.asks {
		x, err := explain.Explain(&admin.Status{Federations: []admin.FederationStatus{w.status}}, q)
		if err != nil {
			t.Fatal(err)
		}
		print(&b, x)
	}
	return b.String()
}

func records(levels *federation.Levels, shards []federation.Shard) (list []admin.RRsetStatus) {
	for _, x := range levels.Explain(federation.ServiceName{Namespace: "shop", Name: "web"}, shards, false) {
		list = append(list, admin.RRsetStatus{
			Name: string(x.Name), Type: x.Type, TTL: x.TTL, Data: x.Data, Reason: string(x.Reason),
		})
	}
	return list
}

func (w *world) line(f []string) {
	if len(f) == 0 {
		return
	}
	switch f[0] {
	case "naming":
		w.fed.Naming = federation.Naming(f[1])
	case "levels":
		w.opt.ShardLevelsOnly = f[1] == "shards"
	case "fallback":
		region := federation.Label(f[1])
		w.opt.RegionFallback[region] = append(w.opt.RegionFallback[region], federation.Label(f[2]))
	case "foreign":
		w.opt.Foreign[federation.FQDN(f[1])] = true
	case "member":
		w.member(f[1:])
	case "shard":
		w.shard(f[1:])
	case "mirror":
		w.mirror(f[1], f[2])
	case "provider":
		w.status.NoProvider = f[1] == "none"
	case "before":
		w.before[f[1]] = f[2] == "healthy"
	case "ask":
		q := explain.Question{Name: f[1], Member: f[2]}
		if len(f) > 3 {
			q.Zone = f[3]
		}
		w.asks = append(w.asks, q)
	default:
		w.t.Fatalf("no such line: %q", f)
	}
}

func (w *world) mirror(member, state string) {
	m, err := explain.Member(&w.status, member)
	if err != nil {
		w.t.Fatal(err)
	}
	renewed := time.Unix(1, 0)
	switch state {
	case "fresh", "stale":
		m.Mirror = &admin.MirrorStatus{Fresh: state == "fresh", Renewed: &renewed}
	default:
		m.Mirror = &admin.MirrorStatus{Reason: state, Detail: "what to do"}
	}
}

func (w *world) member(f []string) {
	m, st := federation.Member{Name: f[0]}, admin.MemberStatus{Name: f[0], Status: "present"}
	for f = f[1:]; len(f) > 0; f = f[1:] {
		switch f[0] {
		case "region":
			f = f[1:]
			m.Region, st.Region = federation.Label(f[0]), f[0]
		case "zones":
			f = f[1:]
			for _, z := range strings.Split(f[0], ",") {
				m.Zones, st.Zones = append(m.Zones, federation.Label(z)), append(st.Zones, z)
			}
		case "drained":
			st.Drained = true
		default:
			st.Status = f[0]
		}
	}
	w.members, w.status.Members = append(w.members, m), append(w.status.Members, st)
}

func (w *world) shard(f []string) {
	s := federation.Shard{Member: f[0], Healthy: f[2] == "healthy"}
	st := admin.ShardStatus{Member: f[0], Healthy: s.Healthy}
	if _, err := fmt.Sscan(f[1], &st.ReadyEndpoints); err != nil {
		w.t.Fatal(err)
	}
	for _, text := range f[3:] {
		if a, err := netip.ParseAddr(text); err == nil {
			s.Addresses, st.Addresses = append(s.Addresses, a), append(st.Addresses, text)
		} else if strings.HasSuffix(text, ".") {
			s.Host = federation.FQDN(text)
		} else {
			st.Reason = text
		}
	}
	slices.SortFunc(s.Addresses, netip.Addr.Compare)
	s.Resolved, st.Resolved = s.Host != "", s.Host != ""
	w.shards, w.service.Shards = append(w.shards, s), append(w.service.Shards, st)
}

func print(b *strings.Builder, x *explain.Explanation) {
	fmt.Fprintf(b, "%s from %s, region %q, zone %q\n", x.Name, x.Member, x.Region, x.Zone)
	for _, s := range x.Steps {
		fmt.Fprintf(b, "  %s: %s: %s", s.Place, s.Outcome, s.Detail)
		for _, extra := range []string{s.Reason, s.Name} {
			if extra != "" {
				b.WriteString(", " + extra)
			}
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "  A: %s %s %v", x.A.From, x.A.Rcode, x.A.Addresses)
	if x.A.Host != "" {
		b.WriteString(" host " + x.A.Host)
	}
	b.WriteByte('\n')
	if m := x.Mirror; m != nil {
		fmt.Fprintf(b, "  mirror: fresh %t, renewed %t, answers %t %s\n", m.Fresh, m.Renewed != nil, m.Answers,
			m.Reason)
	}
	fmt.Fprintf(b, "  bound: %d + %d s, negative %t\n", x.Bound.Plugin, x.Bound.Records, x.Bound.Negative)
	for _, n := range x.Notes {
		fmt.Fprintf(b, "  note: %s\n", n)
	}
}

func TestParseName(t *testing.T) {
	status := &admin.Status{Federations: []admin.FederationStatus{
		{Name: "fed", Domain: "example.com", Services: []admin.ServiceStatus{{Name: "shop/cart"}, {Name: "shop/web"}}},
		{Name: "local", Domain: "example.org"}, {Name: "two", Domain: "a.example"}, {Name: "two", Domain: "b.example"},
	}}
	for _, c := range []struct{ text, domain, want string }{
		{"web.shop.fed", "", "web.shop.fed"},
		{"WEB.Shop.Fed.", "", "web.shop.fed"},
		{"web.shop.fed.svc", "", "web.shop.fed"},
		{"web.shop.fed.svc.cluster.local", "", "web.shop.fed"},
		{"web.shop.local.svc.cluster.local", "", "web.shop.local"},
		{"web.shop.local", "", "web.shop.local"},
		{"svc.svc.fed", "", "svc.svc.fed"},
		{"a.svc.fed.svc.cluster.local", "", "a.svc.fed"},
		{"web-0.web.shop.fed", "", "web-0.web.shop.fed"},
		{"_http._tcp.web.shop.fed.svc.cluster.local.", "", "_http._tcp.web.shop.fed"},
		{"web.shop.two", "B.example.", "web.shop.two"},
		{"web.shop.two", "", `name "web.shop.two": federation "two" has several domains, a.example, b.example: ` +
			`choose one by --domain`},
		{"web.shop.two", "c",
			`name "web.shop.two": federation "two" has no domain "c": it is in a.example, b.example`},
		{"web.shop.other.svc.cluster.local", "", `name "web.shop.other.svc.cluster.local": "other" is no federation ` +
			`of this syncer, which has fed in example.com, local in example.org, two in a.example, two in b.example`},
		{"web.fed", "",
			`name "web.fed": want SERVICE.NAMESPACE.fed, with _PORT._PROTO. or ENDPOINT. before it or not`},
		{"a.b.c.web.shop.fed", "", `name "a.b.c.web.shop.fed": want SERVICE.NAMESPACE.fed, with _PORT._PROTO. or ` +
			`ENDPOINT. before it or not`},
		{"_http.web.shop.fed", "", `name "_http.web.shop.fed": "_http" is not the name of an endpoint`},
		{"http.tcp.web.shop.fed", "", `name "http.tcp.web.shop.fed": "http.tcp" is not a port and a protocol, such ` +
			`as _http._tcp`},
		{"w_b.shop.fed", "", `name "w_b.shop.fed": label "w_b" is not a DNS-1123 label (a-z, 0-9 and inner hyphens)`},
		{"web.shop.fed.svc.us.example.com", "", `name "web.shop.fed.svc.us.example.com" is that of a record, which ` +
			`is the same from everywhere: pods ask for web.shop.fed`},
	} {
		n, err := explain.ParseName(status, c.text, c.domain)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = n.String()
		}
		if got != c.want {
			t.Errorf("N1 %q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"web": "shop/web", "web.shop": "shop/web", "shop/web": "shop/web", "web.shop.fed": "shop/web",
	} {
		found, err := explain.FindServices(status, text, "")
		if err != nil || len(found) != 1 || found[0].Service.Name != want {
			t.Errorf("V4 %q: %v %v", text, found, err)
		}
	}
}
