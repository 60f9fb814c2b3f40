package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/federation-dns/federation/federation/admin"
)

// program is the syncer's in its image, which has no shell.
const program = "/federation-syncer"

// staleAfter is after how many of its durations without a renewal a Lease is nobody's.
const staleAfter = 3

// Pod is the pod of the replica that writes: the holder of the syncer's Lease. It runs the syncer's own commands there,
// so that Kubernetes decides who may, and keeps the audit.
type Pod struct {
	// Config is the cluster of the syncer.
	Config *rest.Config
	// Namespace and Lease say where the syncer's Lease is.
	Namespace, Lease string
	// Container is that of the syncer; "" for the only one, or the default one, of its pod.
	Container string
}

func (p *Pod) String() string { return fmt.Sprintf("pods/exec in namespace %s", p.Namespace) }

// Status implements Source.
func (p *Pod) Status(ctx context.Context) (*admin.Status, error) { return p.status(ctx, "--services") }

// StatusIf implements Source.
func (p *Pod) StatusIf(ctx context.Context, a admin.Assumption) (*admin.Status, error) {
	flag := "--if-uncordoned"
	if a.Drained {
		flag = "--if-drained"
	}
	return p.status(ctx, flag+"="+a.Member)
}

// Version implements Source.
func (p *Pod) Version(ctx context.Context) (string, error) {
	status, err := p.status(ctx)
	if err != nil {
		return "", err
	}
	return status.Version, nil
}

func (p *Pod) status(ctx context.Context, args ...string) (*admin.Status, error) {
	var status admin.Status
	if err := p.run(ctx, nil, &status, append([]string{"status", "-o", "json"}, args...)...); err != nil {
		return nil, err
	}
	return writing(&status)
}

// Confirm implements Source.
func (p *Pod) Confirm(ctx context.Context, list []admin.Waiting) (int, error) {
	in, err := json.Marshal(list)
	if err != nil {
		return 0, err
	}
	var confirmed struct{ Confirmed int }
	err = p.run(ctx, bytes.NewReader(in), &confirmed, "confirm", "--exactly", "-", "-o", "json")
	return confirmed.Confirmed, err
}

// run runs a command of the syncer in the pod that writes, and decodes what it prints.
func (p *Pod) run(ctx context.Context, in io.Reader, out any, args ...string) error {
	client, lease, pod, err := p.writer(ctx)
	if err != nil {
		return noSyncer{err}
	}
	var stdout, stderr bytes.Buffer
	err = p.exec(ctx, client, pod, remotecommand.StreamOptions{Stdin: in, Stdout: &stdout, Stderr: &stderr}, args)
	if err != nil {
		return noSyncer{p.execError(pod, lease, strings.TrimSpace(stderr.String()), err)}
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return noSyncer{fmt.Errorf("the answer of pod %q cannot be read (is it of another version?): %w", pod, err)}
	}
	return nil
}

// writer returns the pod that writes, with the Lease that it holds.
func (p *Pod) writer(ctx context.Context) (
	client kubernetes.Interface, lease *coordinationv1.Lease, pod string, err error,
) {
	if client, err = kubernetes.NewForConfig(p.Config); err != nil {
		return nil, nil, "", err
	}
	lease, err = client.CoordinationV1().Leases(p.Namespace).Get(ctx, p.Lease, metav1.GetOptions{})
	if err != nil {
		return nil, nil, "", p.leaseError(err)
	}
	pod, err = Holder(lease, time.Now())
	return client, lease, pod, err
}

// Holder returns the pod that holds the Lease of a syncer: an identity is the name of a pod, "_" and a random part. It
// is an error, which says what to do, if nobody holds it at now.
func Holder(lease *coordinationv1.Lease, now time.Time) (pod string, err error) {
	s := lease.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || s.RenewTime == nil {
		return "", fmt.Errorf("no replica holds Lease %s/%s: is a syncer running? (kubectl -n %s get pods)",
			lease.Namespace, lease.Name, lease.Namespace)
	}
	pod = *s.HolderIdentity
	if i := strings.LastIndexByte(pod, '_'); i >= 0 {
		pod = pod[:i]
	}
	duration := 15 * time.Second
	if s.LeaseDurationSeconds != nil {
		duration = time.Duration(*s.LeaseDurationSeconds) * time.Second
	}
	if age := now.Sub(s.RenewTime.Time); age > staleAfter*duration {
		return "", fmt.Errorf("no replica has renewed Lease %s/%s for %v, the last was %q: no syncer writes "+
			"(kubectl -n %s get pods)", lease.Namespace, lease.Name, age.Round(time.Second), pod, lease.Namespace)
	}
	return pod, nil
}

// exec runs the command, over a WebSocket, or SPDY where that does not get through.
func (p *Pod) exec(ctx context.Context, client kubernetes.Interface, pod string, streams remotecommand.StreamOptions,
	args []string,
) error {
	url := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: p.Container, Command: append([]string{program}, args...),
			Stdin: streams.Stdin != nil, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec).URL()
	spdy, err := remotecommand.NewSPDYExecutor(p.Config, "POST", url)
	if err != nil {
		return err
	}
	socket, err := remotecommand.NewWebSocketExecutor(p.Config, "GET", url.String())
	if err != nil {
		return err
	}
	var refused refusal
	both, err := remotecommand.NewFallbackExecutor(socket, spdy, refused.fallBack)
	if err != nil {
		return err
	}
	err = both.StreamWithContext(ctx, streams)
	var ran exec.ExitError
	if err != nil && refused.status != nil && !errors.As(err, &ran) {
		return refused.status
	}
	return err
}

// refusal keeps why a WebSocket was refused: SPDY, which is tried then, tells it as a text only. It is tried all the
// same: older API servers want the right to get pods/exec for a WebSocket, and the right to create it for SPDY.
type refusal struct{ status *apierrors.StatusError }

// fallBack reports whether SPDY is to be tried after this error.
func (r *refusal) fallBack(err error) bool {
	var failure *httpstream.UpgradeFailureError
	if errors.As(err, &failure) {
		errors.As(failure.Cause, &r.status)
	}
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// leaseError says why the Lease cannot be read, and what to do.
func (p *Pod) leaseError(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("there is no Lease %s/%s at %s: no syncer has run there. Choose its cluster by --context, "+
			"its namespace by --syncer-namespace, or, if it runs outside a cluster, its --socket",
			p.Namespace, p.Lease, p.Config.Host)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not get the Lease that says which replica writes: ask for the right to get "+
			"leases.coordination.k8s.io %q in namespace %q, and to create pods/exec there (%w)",
			p.Lease, p.Namespace, err)
	}
	return fmt.Errorf("the cluster at %s: %w", p.Config.Host, err)
}

// execError says why the command could not be run in the pod, what to do, and what is known all the same.
func (p *Pod) execError(pod string, lease *coordinationv1.Lease, stderr string, err error) error {
	known := fmt.Sprintf("Known is that replica %q writes: it renewed its Lease %v ago", pod,
		time.Since(lease.Spec.RenewTime.Time).Round(time.Second))
	var status *apierrors.StatusError
	switch {
	case stderr != "":
		return fmt.Errorf("pod %q: %s", pod, stderr)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not ask the syncer: ask for the right to create pods/exec in namespace %q (%w). %s",
			p.Namespace, err, known)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("pod %q, which holds the Lease, is not in namespace %q: has it just been replaced, or does "+
			"the syncer run elsewhere? Then ask it by --socket there (%w)", pod, p.Namespace, err)
	case errors.As(err, &status):
		return fmt.Errorf("pod %q: %w. %s", pod, err, known)
	}
	return fmt.Errorf("pod %q cannot be asked: %w. %s", pod, err, known)
}
