package config

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/claim"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

// Warnings returns what may not work although the configuration is valid, each with the entry concerned: bad
// kubeconfigs, which affect one member only and are retried while the others are served (X7), members that seem to be
// the same cluster, and bounds that are close.
func (c *Config) Warnings() []error {
	var warnings []error
	for i, f := range c.Federations {
		if f.NameProblem != "" {
			warnings = append(warnings, fmt.Errorf("federations[%d].name: %s", i, f.NameProblem))
		}
		if what := c.manyLevels(f); what != "" {
			warnings = append(warnings, fmt.Errorf("federations[%d]: %s", i, what))
		}
		if what := f.tooManyRecords(); what != "" {
			warnings = append(warnings, fmt.Errorf("federations[%d].maxAddresses: %s", i, what))
		}
	}
	first := map[string]string{} // the first entry with a kubeconfig and context, or API server
	for i, cl := range c.Clusters {
		here := fmt.Sprintf("clusters[%d] %q", i, cl.Member.Name)
		server, err := checkKubeconfig(cl.Kubeconfig)
		if err != nil {
			warnings = append(warnings, fmt.Errorf("%s: %w", here, err))
		}
		same, what := cl.Kubeconfig.identity(), "kubeconfig and context"
		if server != "" {
			same, what = server, "API server "+server
		}
		if before := first[same]; before != "" {
			warnings = append(warnings, fmt.Errorf("%s has the same %s as %s: a cluster may be one member only; "+
				"while the syncer runs, the one that it knew before stays, and the other one counts as unreachable",
				here, what, before))
		} else {
			first[same] = here
		}
	}
	if c.Host != nil {
		if err := c.Host.check(); err != nil {
			warnings = append(warnings, fmt.Errorf("host: %w", err))
		}
	}
	return warnings
}

// check returns why no client can be made, here and now.
func (h Host) check() error {
	if !h.InCluster {
		_, err := checkKubeconfig(h.Kubeconfig)
		return err
	}
	c, err := kubeconfig.InCluster()
	if err != nil {
		return err
	}
	_, err = rest.TLSConfigFor(c)
	return err
}

// manyLevels warns if the topologies in the file alone come close to the bound on levels (O1b).
func (c *Config) manyLevels(f Federation) string {
	var members []federation.Member
	for _, cl := range c.Clusters {
		if cl.Member.Topology != nil {
			members = append(members, *cl.Member.Topology)
		}
	}
	n := len(federation.NewLevels(f.Federation, members, f.Options).All())
	if n*5 < claim.MaxLevels*4 {
		return ""
	}
	return fmt.Sprintf("the topologies of the clusters make %d levels, "+
		"and those of the past and of other clusters come on top: more than %d are not written", n, claim.MaxLevels)
}

// usualRecords is how many records an RRset may have by default at BIND (max-records-per-type, since 9.18.28) and Cloud
// DNS (a quota).
const usualRecords = 100

// tooManyRecords warns if the provider refuses an RRset of maxAddresses records by default.
func (f Federation) tooManyRecords() string {
	switch n := f.Options.MaxAddresses; {
	case n <= usualRecords:
	case f.Provider.RFC2136 != nil:
		return fmt.Sprintf("BIND refuses an RRset of more than %d records with SERVFAIL, by default: "+
			"allow %d there (max-records-per-type), or set %d here", usualRecords, n, usualRecords)
	case f.Provider.CloudDNS != nil:
		return fmt.Sprintf("Cloud DNS refuses an RRset of more than %d records, by default: "+
			"have this quota of the project raised to %d, or set %d here", usualRecords, n, usualRecords)
	}
	return ""
}

// identity returns the same text for the same file, whatever its path, and context.
func (k Kubeconfig) identity() string {
	path := k.Path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Clean(path) + " " + k.Context
}

// checkKubeconfig returns the API server of a kubeconfig, or why no client can be made from it. It also checks the
// files that it names, and that its credential plugin exists.
func checkKubeconfig(k Kubeconfig) (server string, err error) {
	c, err := kubeconfig.Load(k.Path, k.Context)
	if err != nil {
		return "", err
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("kubeconfig %q: %w", k.Path, fmt.Errorf(format, args...))
	}
	u, err := url.Parse(c.Host)
	if err != nil || !strings.Contains(c.Host, "://") {
		u, err = url.Parse("https://" + c.Host)
	}
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !isHost(u.Hostname()) ||
		u.Port() != "" && !isPort(u.Port(), 1) {
		return "", fail("server %q: https://HOST[:PORT] is allowed", c.Host)
	}
	server = strings.TrimSuffix(u.Scheme+"://"+strings.ToLower(u.Host)+u.Path, "/")
	for _, name := range kubeconfig.Files(k.Path, k.Context) {
		if info, err := os.Stat(name); err == nil && info.Size() == 0 {
			return server, fail("file %q is empty", name)
		} else if err != nil {
			return server, fail("%w", err)
		}
	}
	if c.ExecProvider != nil {
		if _, err := exec.LookPath(c.ExecProvider.Command); err != nil {
			return server, fail("the command of the user's credential plugin cannot be run here: %w", err)
		}
	}
	if _, err := rest.TLSConfigFor(c); err != nil {
		return server, fail("%w", err)
	}
	return server, nil
}
