package federation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/federation-dns/federation/federation"
)

var flat = federation.Federation{Name: fed, Domain: "example.com.", Naming: federation.Flat}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// asciiRange is printable ASCII without the blank.
var asciiRange = &unicode.RangeTable{R16: []unicode.Range16{{Lo: '!', Hi: '~', Stride: 1}}}

// overTheWire returns a TXT RRset's data as a server returns it: parsed, packed, unpacked, printed.
func overTheWire(t fataler, set federation.RRset) []string {
	t.Helper()
	var out []string
	for _, d := range set.Data {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN TXT %s", set.Name, set.TTL, d))
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		m := new(dns.Msg)
		m.Answer = []dns.RR{rr}
		wire, err := m.Pack()
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		back := new(dns.Msg)
		if err := back.Unpack(wire); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		got := back.Answer[0]
		out = append(out, strings.TrimPrefix(got.String(), got.Header().String()))
	}
	return out
}

func TestClaim(t *testing.T) {
	claim := federation.Claim{Owner: "syncer-eu", Generation: 7, Federation: fed, Naming: federation.Nested}
	t.Run("O1a names", func(t *testing.T) {
		got := []federation.FQDN{flat.ClaimName("example.com."), flat.ClaimName("us-east1.example.com."),
			flat.LevelsName()}
		want := []federation.FQDN{"_claim.myfederation.svc.example.com.",
			"_claim.myfederation.svc.us-east1.example.com.", "_levels.myfederation.svc.example.com."}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	for _, c := range []federation.Claim{
		{Owner: "us", Generation: 7, Federation: fed, Naming: federation.Flat, Instance: "3xk5"},
		{Owner: "us", Generation: 8, Federation: fed, Naming: federation.Flat, Instance: "3xk5", Removed: true},
		{Owner: "us", Generation: 9, Federation: fed, Naming: federation.Flat}, // a level's, or of an earlier release
	} {
		name := fmt.Sprintf("O1e instance %q and the mark of cleanup (%t) are written and read", c.Instance, c.Removed)
		t.Run(name, func(t *testing.T) {
			if got, err := federation.ParseClaim(c.RRset("_claim.fed.svc.example.com.")); err != nil || got != c {
				t.Errorf("got %+v, error %v, want %+v", got, err, c)
			}
		})
	}
	t.Run("O1a record", func(t *testing.T) {
		want := "_claim.myfederation.svc.example.com. 60 IN TXT \"heritage=federation-dns\" \"version=1\"" +
			" \"owner=syncer-eu\" \"generation=7\" \"federation=myfederation\" \"naming=nested\"\n"
		if diff := cmp.Diff(want, claim.RRset(flat.ClaimName(flat.Domain)).String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O1a a server returns what was written, and it parses", rapid.MakeCheck(func(t *rapid.T) {
		unquoted := rapid.RuneFrom(nil, asciiRange).Filter(func(r rune) bool { return r != '"' && r != '\\' })
		printable := rapid.StringOfN(unquoted, 1, 200, -1)
		c := federation.Claim{
			Owner: printable.Draw(t, "owner"), Generation: rapid.Uint64().Draw(t, "generation"), Federation: fed,
			Naming: rapid.SampledFrom([]federation.Naming{federation.Flat, federation.Nested}).Draw(t, "naming"),
		}
		set := c.RRset(flat.ClaimName(flat.Domain))
		if diff := cmp.Diff(set.Data, overTheWire(t, set)); diff != "" {
			t.Fatal(diff)
		}
		got, err := federation.ParseClaim(set)
		if err != nil || got != c {
			t.Fatalf("got %+v, %v, want %+v", got, err, c)
		}
	}))
	for id, tt := range map[string]struct{ data, want string }{
		"O1a another program's": {`"heritage=external-dns,external-dns/owner=default"`,
			`heritage is ["external-dns,external-dns/owner=default"]`},
		"O1a not ours at all": {`"v=spf1 -all"`, "heritage is []"},
		"O1a free text":       {`"hello"`, `"hello" is not key=value`},
		"O1a newer format": {strings.Replace(good, "version=1", "version=2", 1),
			`format version is "2", 1 is known here`},
		"O1a no owner":   {strings.Replace(good, `"owner=syncer-eu" `, "", 1), `no "owner"`},
		"O1a two owners": {good + ` "owner=other"`, `"owner" stands 2 times`},
		"O1a bad generation": {strings.Replace(good, "generation=7", "generation=-1", 1),
			`generation "-1" is not a whole number`},
		"O1a bad federation":   {strings.Replace(good, "=myfederation", "=svc", 1), "reserved by Kubernetes"},
		"O1a bad naming":       {strings.Replace(good, "=nested", "=round", 1), `unknown naming "round"`},
		"O1a no naming":        {strings.Replace(good, "=nested", "=", 1), `no "naming"`},
		"O1a no closing quote": {good[:len(good)-1], "no closing quote"},
		"O1a no quotes":        {"heritage", "not in quotes"},
		"O1a nothing":          {"", "not in quotes"},
		"O1a bad escape":       {`"\999"`, `is not \000 to \255`},
		"O1a no blank":         {strings.Replace(good, `" "`, `""`, 1), "no blank between two strings"},
	} {
		t.Run(id, func(t *testing.T) {
			_, err := federation.ParseClaim(federation.RRset{Name: "_claim.myfederation.svc.example.com.", Type: "TXT",
				Data: []string{tt.data}})
			if err == nil || !strings.Contains(err.Error(), tt.want) ||
				!strings.Contains(err.Error(), "_claim.myfederation.svc.example.com.") {
				t.Errorf("got %v, want an error with %s", err, tt.want)
			}
		})
	}
	t.Run("O1a two records", func(t *testing.T) {
		set := claim.RRset("_claim.myfederation.svc.example.com.")
		set.Data = append(set.Data, set.Data[0])
		if _, err := federation.ParseClaim(set); err == nil ||
			!strings.Contains(err.Error(), "want one TXT record, have 2") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O1a another format of the same fields is read", func(t *testing.T) {
		data := good + ` "note=a \"quoted\" word, a \\ and \195\164"`
		if got, err := federation.ParseClaim(federation.RRset{Type: "TXT", Data: []string{data}}); err != nil ||
			got != claim {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

const good = `"heritage=federation-dns" "version=1" "owner=syncer-eu" "generation=7"` +
	` "federation=myfederation" "naming=nested"`

func TestLevelsRRset(t *testing.T) {
	entries := []federation.LevelEntry{
		{Name: "example.com.", Kind: federation.KindGlobal, Members: []string{"one", "two"}},
		{Name: "us-east1-b.example.com.", Kind: federation.KindTopologyZone, Region: "us-east1", Zone: "us-east1-b",
			Members: []string{"two"}},
		{Name: "us-east1.example.com.", Kind: federation.KindRegion, Region: "us-east1"},
		{Name: "z.r.example.com.", Kind: federation.KindTopologyZone, Region: "r", Zone: "z", Members: []string{"one"}},
	}
	t.Run("O1b records", func(t *testing.T) {
		var want string
		for _, level := range []string{
			`"level=example.com." "kind=global" "m=one,two"`,
			`"level=us-east1-b.example.com." "kind=topology-zone" "region=us-east1" "zone=us-east1-b" "m=two"`,
			`"level=us-east1.example.com." "kind=region" "region=us-east1"`,
			`"level=z.r.example.com." "kind=topology-zone" "region=r" "zone=z" "m=one"`,
		} {
			want += `_levels.myfederation.svc.example.com. 60 IN TXT "heritage=federation-dns" "version=1" ` +
				level + "\n"
		}
		if diff := cmp.Diff(want, flat.LevelsRRset(entries).String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O1b parses, both namings", func(t *testing.T) {
		got, err := flat.ParseLevels(flat.LevelsRRset(entries))
		if diff := cmp.Diff(entries, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
	t.Run("O1b the order of entries and members does not matter", func(t *testing.T) {
		mixed := slices.Clone(entries)
		slices.Reverse(mixed)
		mixed[3].Members = []string{"two", "one", "two"}
		if diff := cmp.Diff(flat.LevelsRRset(entries), flat.LevelsRRset(mixed)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O1b no entries", func(t *testing.T) {
		if set := flat.LevelsRRset(nil); len(set.Data) != 0 || set.Name != flat.LevelsName() {
			t.Errorf("got %+v", set)
		}
	})
	t.Run("O1b many members with long names are split over strings", rapid.MakeCheck(func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9]{1,63}(\.[a-z0-9]{1,63}){0,2}(\.[a-z0-9]{1,61})?`)
		want := []federation.LevelEntry{{Name: "example.com.", Kind: federation.KindGlobal,
			Members: rapid.SliceOfN(name, 0, 60).Draw(t, "members")}}
		slices.Sort(want[0].Members)
		want[0].Members = slices.Compact(want[0].Members)
		set := flat.LevelsRRset(want)
		if diff := cmp.Diff(set.Data, overTheWire(t, set)); diff != "" {
			t.Fatal(diff)
		}
		got, err := flat.ParseLevels(set)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	}))
	t.Run("O1b a string has at most 255 octets", func(t *testing.T) {
		for octets, want := range map[int]string{126: `,`, 127: `" "m=`} { // "m=" + 2 names + "," is 255, 257
			a, b := strings.Repeat("a", octets), strings.Repeat("b", octets)
			set := flat.LevelsRRset([]federation.LevelEntry{{Name: "example.com.", Kind: federation.KindGlobal,
				Members: []string{a, b}}})
			if !strings.Contains(set.Data[0], "a"+want+"b") {
				t.Errorf("two names of %d: %s", octets, set.Data[0])
			}
		}
		a, b := strings.Repeat("a", 126), strings.Repeat("b", 127) // 256
		set := flat.LevelsRRset([]federation.LevelEntry{{Name: "example.com.", Kind: federation.KindGlobal,
			Members: []string{a, b}}})
		if strings.Contains(set.Data[0], ",") {
			t.Errorf("256 octets in a string: %s", set.Data[0])
		}
	})
	t.Run("O1b a member's name of 253 characters fits", func(t *testing.T) {
		long := strings.Repeat(label63[:62]+".", 4) + "a"
		set := flat.LevelsRRset([]federation.LevelEntry{{Name: "example.com.", Kind: federation.KindGlobal,
			Members: []string{long}}})
		if diff := cmp.Diff(set.Data, overTheWire(t, set)); diff != "" {
			t.Error(diff)
		}
	})
	for id, tt := range map[string]struct{ data, want string }{
		"O1b a level of another domain": {`"level=example.org." "kind=global"`, "no level of federation"},
		"O1b labels that do not fit": {`"level=a.example.com." "kind=region" "region=b"`,
			"no level of federation"},
		"O1b kind that does not fit": {`"level=a.example.com." "kind=topology-zone" "region=a"`,
			"no level of federation"},
		"O1b unknown kind": {`"level=example.com." "kind=planet"`, "no level of federation"},
		"O1b a bad label": {`"level=_a.example.com." "kind=region" "region=_a"`,
			"no level of federation"},
		"O1b no level":                {`"kind=global"`, `no "level"`},
		"O1b a member without a name": {`"level=example.com." "kind=global" "m=a,,b"`, "a member has no name"},
		"O1b a key twice": {`"level=example.com." "kind=global" "kind=region"`,
			`"kind" stands 2 times`},
		"O1b the level of another record": {`"level=us-east1.example.com." "kind=region" "region=us-east1"`,
			`level "us-east1.example.com." stands twice`},
	} {
		t.Run(id, func(t *testing.T) {
			set := flat.LevelsRRset(entries)
			set.Data = append(set.Data, `"heritage=federation-dns" "version=1" `+tt.data)
			if _, err := flat.ParseLevels(set); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %s", err, tt.want)
			}
		})
	}
	t.Run("O1b another RRset", func(t *testing.T) {
		if _, err := flat.ParseLevels(federation.RRset{Name: "x.example.com.", Type: "TXT"}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("O1b entries of levels", func(t *testing.T) {
		levels := parseCase(t,
			"federation myfederation example.com\nmember one east east-1\nmember two west east").levels()
		var want []federation.LevelEntry
		for _, lv := range levels.All() {
			want = append(want, lv.Entry())
		}
		got, err := flat.ParseLevels(flat.LevelsRRset(want))
		byName := cmpopts.SortSlices(func(a, b federation.LevelEntry) bool { return a.Name < b.Name })
		if diff := cmp.Diff(want, got, byName); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

func FuzzParseClaim(f *testing.F) {
	for _, s := range []string{good, `"heritage=federation-dns" "version=1"`, `"\"\\\032"`, ``, `"`, `"a`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data string) {
		claim, err := federation.ParseClaim(federation.RRset{Name: "a.", Type: "TXT", Data: []string{data}})
		if err != nil {
			return
		}
		again, err := federation.ParseClaim(claim.RRset("a."))
		if err != nil || again != claim {
			t.Errorf("%s parses to %+v, that to %+v, %v", data, claim, again, err)
		}
	})
}

func FuzzParseLevels(f *testing.F) {
	for _, s := range []string{`"level=example.com." "kind=global" "m=a,b"`,
		`"level=a.example.com." "kind=region" "region=a"`, `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		set := federation.RRset{Name: flat.LevelsName(), Type: "TXT",
			Data: []string{`"heritage=federation-dns" "version=1" ` + s}}
		entries, err := flat.ParseLevels(set)
		if err != nil || slices.ContainsFunc(entries[0].Members, func(m string) bool { return len(m) > 253 }) {
			return
		}
		set = flat.LevelsRRset(entries)
		if diff := cmp.Diff(set.Data, overTheWire(t, set)); diff != "" {
			t.Error(diff)
		}
		again, err := flat.ParseLevels(set)
		if diff := cmp.Diff(entries, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}
