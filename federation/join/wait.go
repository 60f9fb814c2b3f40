package join

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/federation-dns/federation/api/v1alpha1"
)

// lookEvery is how often the status of a MemberCluster is looked at: the syncer writes it once in a second at most.
const lookEvery = 500 * time.Millisecond

// Remedies are what to do about a member that does not become ready, by the reason of its condition.
var Remedies = map[string]string{
	v1alpha1.ReasonUnreachable: "open the way from the syncer to that address, or say by --server URL at which one " +
		"it reaches the member",
	v1alpha1.ReasonCertificateInvalid: "give the authority that has signed the certificate by " +
		"--certificate-authority " +
		"FILE",
	v1alpha1.ReasonUnauthorized:      "run it again with --rotate, which makes a new token",
	v1alpha1.ReasonForbidden:         "run it again: it applies the ClusterRole of this version",
	v1alpha1.ReasonSecretMissing:     "give the syncer its rights: kubectl apply -f deploy/host-rbac.yaml",
	v1alpha1.ReasonKubeconfigRefused: "run it again with --force-conflicts, which writes the Secret anew",
	v1alpha1.ReasonIdentityChanged:   "the address leads to another cluster than the kubeconfig: correct --server",
	v1alpha1.ReasonDuplicateCluster:  "unjoin one of the two",
	v1alpha1.ReasonNameTaken:         "delete its entry in the configuration file of the syncer, and run this again",
	v1alpha1.ReasonPending:           "look at the log of the syncer: kubectl -n NAMESPACE logs POD",
	v1alpha1.ReasonStarting:          "give it more time by --timeout, and run this again",
	v1alpha1.ReasonSyncerCutOff:      "look at the network of the syncer: it has lost most members at once",
}

// await waits until the syncer says that the member is ready (J4), with the Secret and the spec that were written.
func (j *joining) await(ctx context.Context, secret, member *Object) error {
	timeout := j.Timeout
	if timeout == 0 {
		timeout = time.Minute // a rotation deletes nothing before
	}
	written, err := j.host.get(ctx, "Secret", j.Namespace, secret.GetName())
	if err != nil {
		return err
	}
	if written == nil {
		return fmt.Errorf("the Secret %s/%s was deleted while the syncer was to use it", j.Namespace, secret.GetName())
	}
	start, said := time.Now(), ""
	for {
		o, err := j.host.get(ctx, "MemberCluster", "", j.Name)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && o == nil {
			return fmt.Errorf("membercluster/%s was deleted while it was to become ready", j.Name)
		}
		elapsed := time.Since(start).Round(100 * time.Millisecond)
		s := standing{err: err}
		if err == nil {
			s = standingOf(o, member.GetGeneration(), written.GetResourceVersion(), j.Rotate)
		}
		if text := s.String(); text != said {
			j.say("waiting", fmt.Sprintf("%s (%s)%s", s.reason, elapsed, s.more()))
			said = text
		}
		if s.good {
			return nil
		}
		if time.Since(start) >= timeout {
			return j.notReady(s, timeout)
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}

// standing is what the status of a MemberCluster says.
type standing struct {
	err             error // it could not be read
	reason, message string
	shards          string
	good            bool
}

// standingOf reads the status. It counts if it is of that generation, and of the Secret with that resource version, if
// the syncer says which one it uses; a rotation needs that.
func standingOf(o *Object, generation int64, secret string, evidence bool) standing {
	ready := readyOf(o)
	reason, _ := ready["reason"].(string)
	message, _ := ready["message"].(string)
	s := standing{reason: reason, message: message}
	if total, ok, _ := unstructured.NestedInt64(o.Object, "status", "shards", "total"); ok {
		healthy, _, _ := unstructured.NestedInt64(o.Object, "status", "shards", "healthy")
		s.shards = fmt.Sprintf("%d shards, %d healthy", total, healthy)
	}
	observed, _, _ := unstructured.NestedInt64(ready, "observedGeneration")
	used := statusField(o, "kubeconfigSecret", "resourceVersion")
	drained, _, _ := unstructured.NestedBool(o.Object, "spec", "drain")
	current := observed >= generation && (used == secret || used == "" && !evidence)
	s.good = current && (ready["status"] == "True" || drained && reason == v1alpha1.ReasonDrained)
	if !s.good && (ready["status"] == "True" || reason == v1alpha1.ReasonDrained) {
		s.reason, s.message = v1alpha1.ReasonPending, "the syncer has not taken up what was written"
	}
	return s
}

func (s standing) String() string { return fmt.Sprint(s.err, s.reason, s.more()) }

// more is what there is to say beside the reason.
func (s standing) more() string {
	switch {
	case s.err != nil:
		return ": " + s.err.Error()
	case s.good && s.shards != "":
		return ": " + s.shards
	case s.message != "" && !s.good:
		return ": " + s.message
	}
	return ""
}

// notReady says why the member is not ready, and what to do.
func (j *joining) notReady(s standing, timeout time.Duration) error {
	if s.err != nil {
		return s.err
	}
	text := fmt.Sprintf("member %q is not ready after %s: %s: %s", j.Name, timeout, s.reason, s.message)
	if remedy := Remedies[s.reason]; remedy != "" {
		text += ". What helps: " + remedy
	}
	return fmt.Errorf("%s. All is written: the member takes part as soon as that is mended", text)
}
