package stage

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/test/chaos/schedule"
	"github.com/federation-dns/federation/test/cutproxy"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// The account of the syncer in every member, see deploy/member-rbac.yaml.
const (
	accountNamespace, accountName = "federation-system", "federation-syncer"
	accountUser                   = "system:serviceaccount:" + accountNamespace + ":" + accountName
)

// TokenLifetime is how long what a credential plugin has given out is used.
const TokenLifetime = 3 * time.Second

// pluginScript is a credential plugin as those of clouds are: it prints a token that has to be asked for again soon.
// While the file %[1]s is there it hangs.
const pluginScript = `#!/bin/sh
while [ -e '%[1]s' ]; do sleep 0.1; done
read -r token <'%[2]s'
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%%s","expirationTimestamp":"%%s"}}' \
	"$token" "$(date -u -d '+%[3]d seconds' +%%Y-%%m-%%dT%%H:%%M:%%SZ)"
`

// furnish changes the kubeconfig that the syncers have for the member: it trusts the certificate of the stand-ins as
// well, and every other one has its credentials from a plugin.
func (m *Member) furnish(lab *world.Lab, standIns *standIns) error {
	path := m.Entry().Kubeconfig
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		return err
	}
	current := config.Contexts[config.CurrentContext]
	cluster, user := config.Clusters[current.Cluster], config.AuthInfos[current.AuthInfo]
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: standIns.certificate})
	cluster.CertificateAuthorityData = append(slices.Clone(cluster.CertificateAuthorityData), certificate...)
	if schedule.HasPlugin(m.index) {
		m.hang = lab.Path("syncer", m.Name+".hang")
		plugin, token := lab.Path("syncer", m.Name+".plugin"), lab.Path("syncer", m.Name+".token")
		script := fmt.Sprintf(pluginScript, m.hang, token, int(TokenLifetime.Seconds()))
		if err := errors.Join(os.WriteFile(token, []byte(user.Token+"\n"), 0o600),
			os.WriteFile(plugin, []byte(script), 0o755)); err != nil {
			return err
		}
		config.AuthInfos[current.AuthInfo] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: plugin,
			InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
		}}
	}
	m.standIns, m.deploy = standIns, lab.Deploy()
	return clientcmd.WriteToFile(*config, path)
}

// Hang has the credential plugin hang, or ends that for those that do.
func (m *Member) Hang(hang bool) error {
	if hang {
		return os.WriteFile(m.hang, nil, 0o600)
	}
	return os.Remove(m.hang)
}

// Endless makes every answer to the syncers endless.
func (m *Member) Endless() error {
	m.Link.Redirect(addrOf(m.standIns.endless))
	return nil
}

// Throttle has every request of the syncers answered 429.
func (m *Member) Throttle() error {
	m.Link.Redirect(addrOf(m.standIns.throttled))
	return nil
}

// Direct ends Endless and Throttle.
func (m *Member) Direct() error {
	m.Link.Redirect(strings.TrimPrefix(m.Cluster.Server(), "https://"))
	return nil
}

// Allow gives the syncer's account the right to list and to watch Services and slices, or takes it away.
func (m *Member) Allow(ctx context.Context, verbs ...string) error {
	roles := m.client.RbacV1().ClusterRoles()
	role, err := roles.Get(ctx, accountName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for i := range role.Rules {
		r := &role.Rules[i]
		if slices.Contains(r.Resources, "services") || slices.Contains(r.Resources, "endpointslices") {
			r.Verbs = verbs
		}
	}
	_, err = roles.Update(ctx, role, metav1.UpdateOptions{})
	return err
}

// ForbidWatch takes the right to watch away, and ends the watches there are.
func (m *Member) ForbidWatch(ctx context.Context) error {
	if err := m.Allow(ctx, "list"); err != nil {
		return err
	}
	return m.refused(ctx)
}

// refused waits until a watch of the account is refused, and then cuts all connections of the syncers for a moment:
// what is refused are new watches only.
func (m *Member) refused(ctx context.Context) error {
	config := rest.CopyConfig(m.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: accountUser,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + accountNamespace}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = proc.Poll(ctx, "watches to be refused", func() error {
		stream, err := client.CoreV1().RESTClient().Get().Resource("services").
			Param("watch", "true").Param("labelSelector", member.LabelFederation).
			MaxRetries(0).Stream(ctx)
		if err == nil {
			stream.Close()
		}
		if apierrors.IsForbidden(err) {
			return nil
		}
		return fmt.Errorf("a watch ends with %w",
			errors.Join(err, errors.New("which is not the refusal that is waited for")))
	})
	if err == nil {
		m.Link.Set(cutproxy.Reset)
		m.Link.Set(cutproxy.Pass)
	}
	return err
}
