package join

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/kubeconfig"
)

const (
	// tokenTimeout is how long the member may take to fill a token.
	tokenTimeout = 30 * time.Second
	// rightsTimeout is how long it may take until the account may do what its role says: authorizers have caches.
	rightsTimeout = 15 * time.Second
	pollEvery     = 100 * time.Millisecond
)

// chooseToken chooses the token that the syncer uses: the one that it has, or, of a rotation, one after it. A rotation
// that was cut short is continued.
func (j *joining) chooseToken(ctx context.Context) (err error) {
	all, ours, err := j.member.tokens(ctx, j.account, j.host.uid)
	if err != nil {
		return err
	}
	if j.secret, err = j.host.get(ctx, "Secret", j.Namespace, SecretName(j.Name)); err != nil {
		return err
	}
	next, used := 1, -1
	for _, o := range all {
		next = max(next, tokenNumber(o.GetName())+1)
	}
	inUse := tokenIn(decode(j.secret, KubeconfigKey))
	for i, o := range ours {
		if inUse != "" && inUse == string(decode(o, "token")) {
			used = i
		}
	}
	newest := len(ours) - 1
	n := next
	switch {
	case j.Rotate && j.existing == nil:
		return fmt.Errorf("there is no member %q whose token could be rotated", j.Name)
	case used >= 0 && (!j.Rotate || newest == used && newest > 0): // the last step of a rotation is left
		n = tokenNumber(ours[used].GetName())
	case newest >= 0 && newest != used:
		n = tokenNumber(ours[newest].GetName())
	}
	j.token = j.account.newToken(n, j.host.uid)
	for _, o := range ours {
		if o.GetName() != j.token.GetName() {
			j.former = append(j.former, o)
		}
	}
	return nil
}

// use waits until the member has filled the token, and tries it (A.6): nothing is written to the host before the syncer
// can work with it.
func (j *joining) use(ctx context.Context, token *Object) error {
	timeout := tokenTimeout
	if j.Timeout > 0 {
		timeout = min(timeout, j.Timeout)
	}
	deadline := time.Now().Add(timeout)
	for len(decode(token, "token")) == 0 {
		if time.Now().After(deadline) {
			return fmt.Errorf("the member has not filled the Secret %s/%s within %s: does its kube-controller-manager "+
				"run?", j.account.namespace(), token.GetName(), timeout)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
		o, err := j.member.get(ctx, "Secret", j.account.namespace(), token.GetName())
		if err != nil {
			return err
		}
		if o == nil {
			return fmt.Errorf("the Secret %s/%s was deleted while the member was to fill it: does ServiceAccount %s "+
				"exist?", j.account.namespace(), token.GetName(), j.account.name())
		}
		token = o
	}
	j.route = j.route.trusting(j.member.Config, decode(token, "ca.crt"))
	var err error
	if j.kubeconfig, err = j.route.kubeconfig(j.account.name(), string(decode(token, "token"))); err != nil {
		return err
	}
	config, err := kubeconfig.Parse(j.kubeconfig)
	if err != nil {
		return fmt.Errorf("the syncer would refuse the new kubeconfig: %w", err)
	}
	return j.try(ctx, config)
}

// try uses the syncer's way and its rights. An address that was given may lead nowhere from here, and be right.
func (j *joining) try(ctx context.Context, config *rest.Config) error {
	err := j.tryWith(ctx, config)
	if err == nil {
		j.say("tried", "the new credentials work at "+j.route.server)
		return nil
	}
	if j.Server == "" || !isUnreachable(err) || isCertificate(err) {
		return err
	}
	j.say("warning", fmt.Sprintf("%s is not reached from here, only the syncer can tell: %v", j.Server, err))
	own := rest.AnonymousClientConfig(j.member.Config)
	own.BearerToken, own.Proxy, own.Dial = config.BearerToken, j.member.Config.Proxy, j.member.Config.Dial
	if err := j.tryWith(ctx, own); err != nil {
		return err
	}
	j.say("tried", "the new credentials work at "+j.member.Config.Host)
	return nil
}

// tryWith does what the syncer does, and repeats it while a right is missing, or the token is not known everywhere.
func (j *joining) tryWith(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = requestTimeout
	config.WrapTransport = j.member.Config.WrapTransport
	transport, err := kubeconfig.NewHTTPClient(config)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return err
	}
	deadline := time.Now().Add(rightsTimeout)
	for {
		err := j.ask(ctx, client)
		if err == nil || !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			return j.tryError(config.Host, err)
		}
		if time.Now().After(deadline) {
			return j.tryError(config.Host, err)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func (j *joining) ask(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return err
	}
	first := metav1.ListOptions{Limit: 1}
	if _, err = client.CoreV1().Services("").List(ctx, first); err != nil {
		return err
	}
	if _, err = client.DiscoveryV1().EndpointSlices("").List(ctx, first); err != nil {
		return err
	}
	_, err = client.CoreV1().Nodes().List(ctx, first)
	return err
}

func (j *joining) tryError(server string, err error) error {
	err = withoutURL(err)
	switch {
	case err == nil:
		return nil
	case isCertificate(err):
		return fmt.Errorf("the certificate at %s is not trusted: %w. Give the authority that has signed it by "+
			"--certificate-authority FILE", server, err)
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		return fmt.Errorf("the member refuses its new account at %s: %w", server, err)
	}
	return unknown{fmt.Errorf("the member does not answer its new account at %s: %w", server, err)}
}

// deleteFormer deletes the tokens from before a rotation.
func (j *joining) deleteFormer(ctx context.Context) error {
	for _, o := range j.former {
		result, err := j.member.delete(ctx, o)
		if err != nil {
			return err
		}
		j.Progress.Wrote(j.member.role, title(o), result, "")
	}
	return nil
}

// pause waits, or returns why it does not.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
