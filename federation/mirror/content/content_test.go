package content

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/federation/policy"
)

var update = flag.Bool("update", false, "rewrite what is told in testdata/*.txtar; commit only what you understand")

var web = federation.ServiceName{Namespace: "shop", Name: "web"}

// told is one input. Its text form has a line for each thing:
//
//	domain NAME [NAMING]
//	member NAME REGION|- [TOPOLOGY-ZONE...]
//	fallback REGION REGION...
//	foreign LEVEL
//	shard MEMBER healthy|unhealthy|drained|lost ADDRESS|host=NAME|port=NAME/PROTOCOL/PORT|ports=none...
//	had
type told struct {
	federation federation.Federation
	members    []federation.Member
	options    federation.PublishOptions
	shards     []policy.ShardState
	had        bool
}

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func parse(t *testing.T, text string) told {
	t.Helper()
	c := told{federation: federation.Federation{Name: "fed", Naming: federation.Flat},
		options: federation.PublishOptions{RegionFallback: map[federation.Label][]federation.Label{},
			Foreign: map[federation.FQDN]bool{}}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch words[0] {
		case "domain":
			c.federation.Domain = federation.FQDN(words[1])
			if len(words) > 2 {
				c.federation.Naming = federation.Naming(words[2])
			}
		case "member":
			m := federation.Member{Name: words[1], Region: federation.Label(strings.Trim(words[2], "-"))}
			for _, z := range words[3:] {
				m.Zones = append(m.Zones, federation.Label(z))
			}
			c.members = append(c.members, m)
		case "fallback":
			for _, r := range words[2:] {
				from := federation.Label(words[1])
				c.options.RegionFallback[from] = append(c.options.RegionFallback[from], federation.Label(r))
			}
		case "foreign":
			c.options.Foreign[federation.FQDN(words[1])] = true
		case "shard":
			c.shards = append(c.shards, parseShard(t, words[1:]))
		case "had":
			c.had = true
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return c
}

func parseShard(t *testing.T, words []string) policy.ShardState {
	t.Helper()
	s := policy.ShardState{Shard: federation.Shard{Member: words[0], Healthy: words[1] != "unhealthy"},
		Reach: policy.Reach{Standing: policy.Present, Observed: true}}
	switch words[1] {
	case "drained":
		s.Drained = now
	case "lost":
		s.Reach = policy.Reach{Standing: policy.Lost, HeldSince: now, Observed: true}
	}
	var ports []federation.Port
	for _, word := range words[2:] {
		if port, ok := strings.CutPrefix(word, "port="); ok {
			ports = append(ports, parsePort(t, port))
			s.Ports = federation.MakePorts(ports)
			continue
		}
		if word == "ports=none" {
			s.Ports = federation.MakePorts(nil)
			continue
		}
		if host, ok := strings.CutPrefix(word, "host="); ok {
			s.Host = federation.FQDN(host)
			continue
		}
		a, err := netip.ParseAddr(word)
		if err != nil {
			t.Fatal(err)
		}
		s.Addresses = append(s.Addresses, a)
	}
	return s
}

func parsePort(t *testing.T, text string) federation.Port {
	t.Helper()
	words := strings.Split(text, "/")
	n, err := strconv.ParseUint(words[2], 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return federation.Port{Name: words[0], Protocol: words[1], Port: uint16(n)}
}

// answer returns what the verdict says, and what the zone has of it: nothing at levels that are not ours.
func (c told) answer() (*policy.Answer, []federation.RRset) {
	v := policy.Decide(now, policy.Config{HeldMax: time.Hour},
		policy.Service{Shards: c.shards, AllMembers: policy.Summary{Present: true, Observed: true}, Had: c.had})
	out := policy.Outcome{Verdict: v, Write: true}
	zone, _ := federation.NewLevels(c.federation, c.members, c.options).RRsets(web, v.Shards, c.had)
	all := c.options
	all.Foreign = nil
	return out.Answer(federation.NewLevels(c.federation, c.members, all), web, nil, zone, c.had), zone
}

// TestContent holds the rules that its files in testdata are named after.
func TestContent(t *testing.T) {
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
			got := *archive
			got.Files = []txtar.File{archive.Files[0]}
			c := parse(t, string(archive.Files[0].Data))
			answer, zone := c.answer()
			for _, m := range c.members {
				got.Files = append(got.Files, txtar.File{Name: "told to " + m.Name,
					Data: []byte(describe(NewMember(c.federation, m), answer, zone))})
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

func describe(m *Member, answer *policy.Answer, zone []federation.RRset) string {
	s, published, ok := m.Tell(web, answer, zone)
	if !ok {
		return "nothing, published " + strconv.FormatBool(published) + "\n"
	}
	var b strings.Builder
	for _, lv := range s.Levels {
		fmt.Fprintf(&b, "%s %d", lv.Level, lv.TTL)
		for _, a := range lv.Addresses {
			fmt.Fprintf(&b, " %s(%s)", a.Address, strings.Join(a.Members, ","))
		}
		if lv.Host != "" {
			fmt.Fprintf(&b, " host %s(%s)", lv.Host, strings.Join(lv.Members, ","))
		}
		if lv.Up != "" {
			fmt.Fprintf(&b, " up %s", lv.Up)
		}
		b.WriteString("\n")
	}
	for _, p := range s.Ports {
		fmt.Fprintf(&b, "port %s %s %d\n", p.Name, p.Protocol, p.Port)
	}
	if !published {
		b.WriteString("the zone has it not\n")
	}
	return b.String()
}

func TestStarts(t *testing.T) {
	t.Run("M1 the starts are each topology zone, the region, and none", func(t *testing.T) {
		f := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
		m := federation.Member{Name: "a", Region: "eu", Zones: []federation.Label{"eu-1", "eu-2"}}
		want := []mirror.Start{{Region: "eu", Zone: "eu-1"}, {Region: "eu", Zone: "eu-2"}, {Region: "eu"}, {}}
		if diff := cmp.Diff(want, NewMember(f, m).Starts()); diff != "" {
			t.Error(diff)
		}
	})
}
