package federation_test

import (
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/federation-dns/federation/federation"
)

var update = flag.Bool("update", false,
	"rewrite the zone and problems of testdata/*.txtar; commit only what you understand")

// publishCase is one input of the publishing rule. Its text form has a line for each thing:
//
//	federation NAME DOMAIN [NAMING]
//	ttl|max NUMBER
//	levels shards
//	fallback REGION REGION...
//	foreign LEVEL
//	member NAME REGION|- [TOPOLOGY-ZONE...]
//	service NAME NAMESPACE
//	had
//	shard MEMBER healthy|unhealthy [ADDRESS|host=NAME|resolved|ttl=SECONDS]...
type publishCase struct {
	federation federation.Federation
	options    federation.PublishOptions
	members    []federation.Member
	service    federation.ServiceName
	had        bool
	shards     []federation.Shard
}

// TestPublish holds the rules that its files in testdata are named after.
func TestPublish(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := parseCase(t, string(archive.Files[0].Data))
			levels := federation.NewLevels(c.federation, c.members, c.options)
			sets, problems := levels.RRsets(c.service, c.shards, c.had)
			got := *archive
			got.Files = []txtar.File{archive.Files[0],
				{Name: "zone", Data: []byte(zoneText(sets))},
				{Name: "reasons", Data: []byte(reasonText(levels.Explain(c.service, c.shards, c.had)))},
				{Name: "problems", Data: []byte(problemText(append(slices.Clone(levels.Problems()), problems...)))},
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(&got))); diff != "" {
				t.Errorf("-want +got (go test -update rewrites it):\n%s", diff)
			}
		})
	}
}

func zoneText(sets []federation.RRset) string {
	var b strings.Builder
	for _, s := range sets {
		b.WriteString(s.String())
	}
	return b.String()
}

func reasonText(sets []federation.Explained) string {
	var b strings.Builder
	for _, s := range sets {
		fmt.Fprintf(&b, "%s %s %s\n", s.Name, s.Type,
			strings.Join(append([]string{string(s.Reason)}, s.Members...), " "))
	}
	return b.String()
}

func problemText(problems []federation.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Reason, p.Detail)
	}
	return b.String()
}

func parseCase(t *testing.T, text string) publishCase {
	t.Helper()
	c := publishCase{options: federation.PublishOptions{
		RegionFallback: map[federation.Label][]federation.Label{}, Foreign: map[federation.FQDN]bool{},
	}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch args := words[1:]; words[0] {
		case "federation":
			c.federation = parseFederation(t, args)
		case "ttl":
			c.options.TTL = uint32(number(t, args[0]))
		case "max":
			c.options.MaxAddresses = number(t, args[0])
		case "levels":
			c.options.ShardLevelsOnly = args[0] == "shards"
		case "fallback":
			c.options.RegionFallback[federation.Label(args[0])] = labels(args[1:])
		case "foreign":
			c.options.Foreign[fqdn(t, args[0])] = true
		case "member":
			c.members = append(c.members, federation.Member{
				Name: args[0], Region: federation.Label(strings.TrimPrefix(args[1], "-")), Zones: labels(args[2:]),
			})
		case "service":
			c.service = federation.ServiceName{Name: args[0], Namespace: args[1]}
		case "had":
			c.had = true
		case "shard":
			c.shards = append(c.shards, parseShard(t, args))
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return c
}

func parseFederation(t *testing.T, args []string) federation.Federation {
	t.Helper()
	f := federation.Federation{Name: federation.Label(args[0]), Domain: fqdn(t, args[1]), Naming: federation.Flat}
	if len(args) > 2 {
		f.Naming = federation.Naming(args[2])
	}
	return f
}

func parseShard(t *testing.T, args []string) federation.Shard {
	t.Helper()
	s := federation.Shard{Member: args[0], Healthy: args[1] == "healthy"}
	for _, a := range args[2:] {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "host":
			s.Host = fqdn(t, value)
		case "resolved":
			s.Resolved = true
		case "ttl":
			s.TTL = uint32(number(t, value))
		default:
			s.Addresses = append(s.Addresses, netip.MustParseAddr(a))
		}
	}
	return s
}

func labels(words []string) []federation.Label {
	var out []federation.Label
	for _, w := range words {
		out = append(out, federation.Label(w))
	}
	return out
}

func fqdn(t *testing.T, s string) federation.FQDN {
	t.Helper()
	name, err := federation.ParseFQDN(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHashIsStable pins the choice of P8: records must not move on an upgrade. The files P8-*.txtar pin it for names,
// this for the services.
func TestHashIsStable(t *testing.T) {
	f := federation.Federation{Name: "myfederation", Domain: "example.com.", Naming: federation.Flat}
	var members []federation.Member
	var shards []federation.Shard
	for i := range 8 {
		name := fmt.Sprintf("member-%d", i)
		members = append(members, federation.Member{Name: name})
		shards = append(shards, federation.Shard{Member: name, Healthy: true,
			Addresses: []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})}})
	}
	levels := federation.NewLevels(f, members, federation.PublishOptions{MaxAddresses: 1})
	chosen := map[string]int{}
	for i := range 800 {
		sets, _ := levels.RRsets(federation.ServiceName{Namespace: "default", Name: fmt.Sprintf("service-%d", i)},
			shards, true)
		chosen[sets[0].Data[0]]++
	}
	// About 100 services for each member: none is left out.
	for _, addr := range slices.Sorted(maps.Keys(chosen)) {
		if n := chosen[addr]; n < 60 || n > 140 {
			t.Errorf("P8 %s is chosen for %d of 800 services, about 100 would be even", addr, n)
		}
	}
	if len(chosen) != len(members) {
		t.Errorf("P8 %d members of %d are ever chosen", len(chosen), len(members))
	}
}
