// Package outside is the DNS around a World: a root with signed zones, a validating recursive resolver, and a tap
// between a stub resolver and its server.
package outside

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// What a Hierarchy serves.
const (
	// Root is the address of the server of the root and of all signed zones.
	Root = "198.51.100.54"
	// SignedDomain is a second domain of the federation, which the server
	// signs: it takes dynamic updates with the World's key.
	SignedDomain = "example.net"
	// VanityDomain is the company's own, signed, with names that lead into
	// Domain, and below "signed" into SignedDomain.
	VanityDomain = "acme.com"
	// TamperedName has an address that was changed after its zone was signed.
	TamperedName = "tampered.example.org."
	// IntactName has one that was not.
	IntactName = "intact.example.org."
)

// rootAddrs are given to a device, where named looks for them: that of IPv6
// first, which is here only for glibc's sake.
var rootAddrs = []netip.Addr{netip.MustParseAddr("2001:db8:53::54"), netip.MustParseAddr(Root)}

// Hierarchy is a small tree of DNS zones: a signed root that delegates to
// signed zones, and to Domain, which is not signed, at Authority.
type Hierarchy struct {
	dir    string
	anchor string // the root's DNSKEY record
	named  *proc.Process
}

const zoneHead = "$TTL 60\n@ IN SOA ns hostmaster 1 3600 600 86400 5\n@ IN NS ns\nns IN A " + Root + "\n"

// vanityZone has the names of the announcement of 2016.
const vanityZone = zoneHead + `
eu.nginx  IN CNAME ` + world.Name + `.svc.europe-west1.` + world.Domain + `.
us.nginx  IN CNAME ` + world.Name + `.svc.us-central1.` + world.Domain + `.
nginx     IN CNAME ` + world.Name + `.svc.` + world.Domain + `.
eu.signed IN CNAME ` + world.Name + `.svc.europe-west1.` + SignedDomain + `.
us.signed IN CNAME ` + world.Name + `.svc.us-central1.` + SignedDomain + `.
signed    IN CNAME ` + world.Name + `.svc.` + SignedDomain + `.
`

// signedZones are the zones below the root, by name, as they are before they
// are signed.
var signedZones = map[string]string{
	VanityDomain:  vanityZone,
	SignedDomain:  zoneHead,
	"example.org": zoneHead + "tampered IN A 192.0.2.66\nintact IN A 192.0.2.67\n",
}

const namedConf = `options {
	directory "%[1]s";
	key-directory "%[1]s";
	listen-on port 53 { %[2]s; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile "%[1]s/session.key";
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
key "%[3]s" { algorithm hmac-sha256; secret "%[4]s"; };
zone "." { type primary; file "root"; dnssec-policy default; inline-signing yes; };
zone "%[5]s" { type primary; file "%[5]s"; dnssec-policy default; inline-signing yes; };
zone "example.org" { type primary; file "example.org.tampered"; };
zone "%[6]s" {
	type primary;
	file "%[6]s";
	dnssec-policy default;
	allow-update { key "%[3]s"; };
	allow-transfer { key "%[3]s"; };
};
`

// StartHierarchy makes keys and zones and starts the server, BIND, until the
// root and SignedDomain are signed.
func StartHierarchy(ctx context.Context, w *world.World) (*Hierarchy, error) {
	for _, a := range rootAddrs {
		if err := netns.AddAddress(a); err != nil {
			return nil, err
		}
	}
	h := &Hierarchy{dir: w.Path("root")}
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return nil, err
	}
	if err := h.writeZones(ctx); err != nil {
		return nil, err
	}
	conf := fmt.Sprintf(namedConf, h.dir, Root, world.TSIGName, world.TSIGSecret, VanityDomain, SignedDomain)
	if err := os.WriteFile(h.path("named.conf"), []byte(conf), 0o644); err != nil {
		return nil, err
	}
	named, err := w.Unconfined("bind9", "named")
	if err != nil {
		return nil, err
	}
	if h.named, err = proc.Start("named", w.LogFile("named"), w.Env(), named, "-g", "-c",
		h.path("named.conf")); err != nil {
		return nil, err
	}
	err = proc.Poll(ctx, "named to sign its zones", func() error {
		if err := h.named.Ended(); err != nil {
			return err
		}
		for _, zone := range []string{".", VanityDomain + ".", SignedDomain + "."} {
			if err := signed(ctx, zone); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, h.Stop())
	}
	return h, nil
}

// signed asks whether the last record of a zone that a signer comes to has its
// signature: the one of the SOA record.
func signed(ctx context.Context, zone string) error {
	m := new(dns.Msg).SetQuestion(zone, dns.TypeSOA)
	m.SetEdns0(1232, true)
	r, err := exchange(ctx, Root, m)
	if err != nil {
		return err
	}
	for _, rr := range r.Answer {
		if _, ok := rr.(*dns.RRSIG); ok {
			return nil
		}
	}
	return fmt.Errorf("%s is not yet signed", zone)
}

// Stop ends the server.
func (h *Hierarchy) Stop() error {
	err := h.named.Stop(10 * time.Second)
	for _, a := range rootAddrs {
		err = errors.Join(err, netns.RemoveAddress(a))
	}
	return err
}

func (h *Hierarchy) path(name string) string { return filepath.Join(h.dir, name) }

// writeZones writes all zones and their keys. The keys are made before the
// server starts, as the root has to know those of the others.
func (h *Hierarchy) writeZones(ctx context.Context) error {
	root := "$TTL 60\n@ IN SOA ns.root. hostmaster.root. 1 3600 600 86400 5\n@ IN NS ns.root.\nns.root. IN A " + Root +
		"\n" +
		world.Domain + ". IN NS " + world.AuthorityName + "\n" + world.AuthorityName + " IN A " + world.Authority + "\n"
	for zone, text := range signedZones {
		if err := os.WriteFile(h.path(zone), []byte("$ORIGIN "+zone+".\n"+text), 0o644); err != nil {
			return err
		}
		key, err := h.newKey(ctx, zone)
		if err != nil {
			return err
		}
		ds, err := dnssec(ctx, "dsfromkey", "-2", key)
		if err != nil {
			return err
		}
		root += zone + ". IN NS ns." + zone + ".\nns." + zone + ". IN A " + Root + "\n" + ds
	}
	if err := os.WriteFile(h.path("root"), []byte(root), 0o644); err != nil {
		return err
	}
	key, err := h.newKey(ctx, ".")
	if err != nil {
		return err
	}
	anchor, err := os.ReadFile(key + ".key")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(anchor)) {
		if !strings.HasPrefix(line, ";") {
			h.anchor = strings.TrimSpace(line)
		}
	}
	return h.tamper(ctx)
}

// newKey makes a key for the zone as named's default policy wants it, and
// returns its file without extension.
func (h *Hierarchy) newKey(ctx context.Context, zone string) (string, error) {
	out, err := dnssec(ctx, "keygen", "-q", "-K", h.dir, "-k", "default", zone)
	return h.path(strings.TrimSpace(out)), err
}

// tamper signs example.org and changes a record of it after that.
func (h *Hierarchy) tamper(ctx context.Context) error {
	out := h.path("example.org.tampered")
	if _, err := dnssec(ctx, "signzone", "-S", "-z", "-K", h.dir, "-d", h.dir, "-o", "example.org", "-f",
		out, h.path("example.org")); err != nil {
		return err
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	changed := strings.Replace(string(text), "192.0.2.66", "192.0.2.6", 1)
	if changed == string(text) {
		return errors.New("example.org: the record to tamper with is not in the signed zone")
	}
	return os.WriteFile(out, []byte(changed), 0o644)
}

// dnssec runs one of BIND's dnssec programs.
func dnssec(ctx context.Context, name string, args ...string) (string, error) {
	path, err := proc.Find("bind9-utils", "dnssec-"+name)
	if err != nil {
		return "", err
	}
	return proc.CommandWith(ctx, nil, "", path, args...)
}
