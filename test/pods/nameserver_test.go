package pods

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

const namedConf = `options {
	directory %[1]q;
	listen-on port 53 { %[2]s; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	managed-keys-directory %[1]q;
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
key %[3]q { algorithm hmac-sha256; secret %[4]q; };
zone "." { type primary; file "root"; };
zone %[5]q { type primary; file "zone"; allow-update { key %[3]q; }; };
`

// root is the rest of the Internet, in which there is nothing.
const root = `$TTL 60
.    IN SOA ns hostmaster 1 3600 600 86400 5
.    IN NS  ` + world.AuthorityName + `
` + world.AuthorityName + ` IN A ` + world.Authority + `
`

const zone = `$TTL 60
@    IN SOA ns hostmaster 1 3600 600 86400 5
@    IN NS  ns
ns   IN A   ` + world.Authority + `
`

// startNameServer starts BIND with the zone of the federation.
func startNameServer(ctx context.Context, dir string) (*proc.Process, error) {
	conf := fmt.Sprintf(namedConf, dir, world.Authority, world.TSIGName, world.TSIGSecret, world.Domain)
	if err := errors.Join(os.MkdirAll(dir, 0o755),
		proc.Unconfined("bind9", "named", filepath.Join(dir, "named")),
		os.WriteFile(filepath.Join(dir, "named.conf"), []byte(conf), 0o644),
		os.WriteFile(filepath.Join(dir, "zone"), []byte(zone), 0o644),
		os.WriteFile(filepath.Join(dir, "root"), []byte(root), 0o644),
		netns.AddAddress(netip.MustParseAddr(world.Authority))); err != nil {
		return nil, err
	}
	p, err := proc.Start("named", filepath.Join(dir, "log"), nil, filepath.Join(dir, "named"), "-g", "-4", "-n", "1",
		"-c", filepath.Join(dir, "named.conf"))
	if err != nil {
		return nil, err
	}
	return p, proc.Poll(ctx, "named to serve its zone", func() error {
		if err := p.Ended(); err != nil {
			return fmt.Errorf("%w\n%s", err, proc.Tail(filepath.Join(dir, "log"), 20))
		}
		r, err := world.Ask(ctx, world.Authority, world.Domain+".", dns.TypeSOA)
		if err == nil && len(r.Answer) != 1 {
			err = fmt.Errorf("it answers %s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
}
