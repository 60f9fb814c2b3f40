package display

import (
	"fmt"
	"io"
	"strings"

	"github.com/federation-dns/federation/federation/explain"
)

// maxDrainRows is how many services a prediction lists unless Wide; those that are emptied come first.
const maxDrainRows = 20

// Drain prints what a drain, or its end, makes of the services.
func Drain(w io.Writer, d *explain.Drain, o Options) {
	for i := range d.Federations {
		f := &d.Federations[i]
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "federation %s in %s\n", f.Name, f.Domain)
		drained(w, d, f, o)
	}
}

func drained(w io.Writer, d *explain.Drain, f *explain.FederationDrain, o Options) {
	if len(f.Services) == 0 {
		fmt.Fprintln(w, "no record changes")
		return
	}
	t, shown := o.newTable("NAMESPACE", "NAME", "NOW", "THEN"), 0
	for _, emptied := range []bool{true, false} {
		for _, s := range f.Services {
			if s.Emptied() != emptied {
				continue
			}
			if shown++; shown > maxDrainRows && !o.Wide {
				continue
			}
			namespace, name, _ := strings.Cut(s.Name, "/")
			t.add(namespace, name, o.Some(s.Before), o.then(s))
		}
	}
	t.print(w, "")
	if rest := shown - maxDrainRows; rest > 0 && !o.Wide {
		fmt.Fprintf(w, "... and %d more (-o wide lists all)\n", rest)
	}
	fmt.Fprintln(w)
	Wrap(w, "", o.summary(d, f))
}

// then is what a service has after the change.
func (o Options) then(s explain.ServiceDrain) cell {
	switch {
	case len(s.After) == 0:
		return cell{"none", Bad}
	case len(s.Held) > 0:
		return cell{o.Some(s.After) + " (held: " + o.Some(s.Held) + ")", Bad}
	case strings.Join(s.Before, " ") == strings.Join(s.After, " "):
		return cell{"the same, but not at all levels", Plain}
	}
	return cell{o.Some(s.After), Plain}
}

// summary says in a few sentences what happens to the services.
func (o Options) summary(d *explain.Drain, f *explain.FederationDrain) string {
	text := count(len(f.Services), "service") + " "
	emptied := f.Emptied()
	switch {
	case !d.Drained:
		text += "%s a shard again."
		text = fmt.Sprintf(text, verb(len(f.Services), "gets", "get"))
	case len(emptied) == 0:
		text += verb(len(f.Services), "loses", "lose") + " a shard; each has another."
	default:
		names := strings.Join(emptied, ", ")
		if n := len(emptied); n > maxDrainRows && !o.Wide {
			names = fmt.Sprintf("%s and %d more", strings.Join(emptied[:maxDrainRows], ", "), n-maxDrainRows)
		}
		text += fmt.Sprintf("%s a shard; %d %s no other: %s.", verb(len(f.Services), "loses", "lose"), len(emptied),
			verb(len(emptied), "has", "have"), names)
		text += " What has no other shard has no address from then on, without a grace period."
	}
	if f.Braked > 0 {
		text += fmt.Sprintf(" That is too much at once: %s the records until they are confirmed "+
			"(kubectl federation confirm).", count(f.Braked, "service")+" "+verb(f.Braked, "keeps", "keep"))
	}
	if d.Drained {
		text += fmt.Sprintf(" Pods in %s stay with its shards.", d.Member)
	}
	return text
}

func count(n int, what string) string { return fmt.Sprintf("%d %s", n, verb(n, what, what+"s")) }

// verb chooses between the forms of one and of several.
func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}
