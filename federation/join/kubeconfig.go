package join

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
)

// noToken stands where a token is not shown.
const noToken = "not shown: kubectl federation join writes it"

// route is how the syncer reaches a member.
type route struct {
	server     string
	serverName string // of the certificate, if it is not the host of server
	ca         []byte // none: the certificates that the syncer's image trusts
}

// kubeconfig returns the kubeconfig of a member: the same text for the same values.
func (r route) kubeconfig(user, token string) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.CurrentContext = "member"
	config.Contexts["member"] = &clientcmdapi.Context{Cluster: "member", AuthInfo: user}
	config.Clusters["member"] = &clientcmdapi.Cluster{
		Server: r.server, TLSServerName: r.serverName, CertificateAuthorityData: r.ca,
	}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	return clientcmd.Write(*config)
}

// tokenIn returns the token in the kubeconfig of a member; "" if there is none.
func tokenIn(kubeconfig []byte) string {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil || config.Contexts[config.CurrentContext] == nil {
		return ""
	}
	user := config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo]
	if user == nil {
		return ""
	}
	return user.Token
}

// redact returns a kubeconfig, given in base64, without its token.
func redact(data string) string {
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return noToken
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return noToken
	}
	for _, user := range config.AuthInfos {
		user.Token = noToken
	}
	if text, err = clientcmd.Write(*config); err != nil {
		return noToken
	}
	return string(text)
}

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// decode returns what a Secret has at a key; nil if there is nothing.
func decode(secret *Object, key string) []byte {
	if secret == nil {
		return nil
	}
	data, _ := secret.Object["data"].(map[string]any)
	text, _ := data[key].(string)
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return out
}

// checkAuthority checks the certificates of --certificate-authority, if it is given.
func checkAuthority(ca []byte) error {
	if _, err := cert.ParseCertsPEM(ca); len(ca) > 0 && err != nil {
		return errors.New("--certificate-authority: the file has no certificate: want one or several in PEM " +
			"(-----BEGIN CERTIFICATE-----)")
	}
	return nil
}

// routeOf returns how the syncer reaches the member: as the admin's kubeconfig does, or at server, if it is given, with
// the certificates of ca, if they are.
//
// A server that leads from another machine to another place is an error that says what to do (J4). It is one only if it
// comes from the kubeconfig: whoever gives a server has thought of it.
func routeOf(admin *rest.Config, server string, ca []byte, isHost bool) (route, error) {
	r := route{server: server, ca: ca}
	hint := "say by --server URL at which address the syncer reaches it"
	if isHost {
		hint += " (pods of the host reach their own API server at https://kubernetes.default.svc)"
	}
	if server != "" {
		u, err := url.Parse(server)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return route{}, fmt.Errorf("--server %q: want an address like https://203.0.113.7:6443", server)
		}
		return r, nil
	}
	u, err := url.Parse(admin.Host)
	switch {
	case err != nil || u.Host == "" && !strings.HasPrefix(admin.Host, "unix:"):
		return route{}, fmt.Errorf("the kubeconfig has the server %q, which is no URL: %s", admin.Host, hint)
	case admin.Proxy != nil:
		return route{}, fmt.Errorf("the kubeconfig reaches the member through a proxy (proxy-url), "+
			"and the syncer uses none: %s", hint)
	case u.Scheme != "https" || isLocal(u.Hostname()):
		return route{}, fmt.Errorf("the kubeconfig has the server %s, which leads elsewhere from another machine, "+
			"or nowhere: %s", admin.Host, hint)
	}
	r.server, r.serverName = strings.TrimSuffix(admin.Host, "/"), admin.ServerName
	if len(ca) == 0 {
		r.ca = admin.CAData
	}
	return r, nil
}

// isLocal reports whether the host of a URL is another one from each machine.
func isLocal(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast())
}

// trusting returns the route with certificates to trust, if it has none although it needs some: those of the
// kubeconfig, and those that pods of the member trust.
func (r route) trusting(admin *rest.Config, pods []byte) route {
	public := len(admin.CAData) == 0 && !admin.Insecure // the admin's own way needs no further certificates
	if len(r.ca) > 0 || public && r.server == strings.TrimSuffix(admin.Host, "/") {
		return r
	}
	r.ca = bytes.TrimSpace(admin.CAData)
	if pods = bytes.TrimSpace(pods); !bytes.Contains(r.ca, pods) {
		r.ca = bytes.TrimSpace(append(append(r.ca[:len(r.ca):len(r.ca)], '\n'), pods...))
	}
	r.ca = append(r.ca, '\n')
	return r
}

// fieldNames returns the names of the fields below a top-level one in a FieldsV1.
func fieldNames(raw []byte, top string) map[string]bool {
	var fields map[string]map[string]json.RawMessage
	names := map[string]bool{}
	if json.Unmarshal(raw, &fields) != nil {
		return names
	}
	for key := range fields["f:"+top] {
		if name, ok := strings.CutPrefix(key, "f:"); ok {
			names[name] = true
		}
	}
	return names
}
