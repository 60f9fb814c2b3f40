package federation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/google/go-cmp/cmp"
)

// FuzzParse holds that what is taken from a Corefile is the same after it was written and read again, and that what is
// refused is refused with a line.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"federation {\n myfed example.com\n}", "federation cluster.local {\n a example.com.\n b EXAMPLE.org\n" +
			" topology r z\n naming nested\n ttl 30\n no_chase\n upstream 192.0.2.1\n}",
		"federation {\n ttl example.com\n naming a.b\n no_chase x.y\n topology t.u\n}",
		"federation {\n a example.com\n a example.org\n}", "federation 10.0.0.0/24 {\n a b.c\n}",
		"federation {\n svc example.com\n}", "federation {\n a\n}", "federation {\n a b c\n}", "federation",
		"federation {", "federation {\n a b\n}\nfederation {\n c d\n}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parse(caddy.NewTestController("dns", text))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error that says nothing")
			}
			return
		}
		again := corefileOf(first)
		second, err := parse(caddy.NewTestController("dns", again))
		if err != nil {
			t.Fatalf("written again: %v\n%s", err, again)
		}
		if d := cmp.Diff(first, second, cmp.AllowUnexported(config{})); d != "" {
			t.Errorf("written and read again (-first +second):\n%s\n%s", d, again)
		}
	})
}

// corefileOf writes the directive.
func corefileOf(c config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "federation %s {\n", strings.Join(c.zones, " "))
	for _, fed := range c.federations {
		fmt.Fprintf(&b, "\t%s %s\n", fed.Name, fed.Domain)
	}
	if c.naming != "" {
		fmt.Fprintf(&b, "\tnaming %s\n", c.naming)
	}
	if t := c.topology; t != nil {
		fmt.Fprintf(&b, "\ttopology %s %s\n", t.Region, t.Zone)
	}
	if c.ttl != nil {
		fmt.Fprintf(&b, "\tttl %d\n", *c.ttl)
	}
	if c.noChase {
		b.WriteString("\tno_chase\n")
	}
	return b.String() + "}\n"
}
