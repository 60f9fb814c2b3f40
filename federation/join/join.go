package join

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/live"
)

// Options are what to join, and how.
type Options struct {
	// Name is the name of the member.
	Name         string
	Host, Member Target
	// Namespace and Lease are those of the syncer in the host.
	Namespace, Lease string
	// Source is the running syncer, to compare with the members of its file.
	Source live.Source
	// Server is the address at which the syncer reaches the member, and CA what to trust there; the default is what the
	// kubeconfig of the member says.
	Server string
	CA     []byte
	// Spec are the fields of the MemberCluster's spec that are to be set. Those of an earlier run stay.
	Spec map[string]any
	// Mirror are the rights of the member's mirror.
	Mirror MirrorRights
	// Rotate replaces the token of the member.
	Rotate bool
	// ForceConflicts takes over fields that belong to another field manager.
	ForceConflicts bool
	// DryRun ends after the checks.
	DryRun bool
	// Timeout is how long to wait for the member to be ready; 0 does not wait.
	Timeout time.Duration
	// Progress is told of each step.
	Progress Progress
}

// Progress is told what is found and done.
type Progress interface {
	// Say tells of a step: "checked" and what, for one.
	Say(topic, text string)
	// Wrote tells what became of an object, in the host or in the member.
	Wrote(where, object string, result Result, note string)
}

// Objects are those that a member consists of.
type Objects struct{ Member, Host []*Object }

// joining is a run of Join.
type joining struct {
	Options
	host, member *cluster
	account      *account
	status       *admin.Status // of the syncer; nil if it cannot be asked
	existing     *Object       // the MemberCluster of an earlier run
	secret       *Object       // that of an earlier run
	route        route
	token        *Object   // the token to use, as it is to be applied
	former       []*Object // other tokens of our host, which are deleted by a rotation
	kubeconfig   []byte    // for the syncer, once the token is known
}

// Join makes a cluster a member. It returns the objects that the member consists of: as they are, or, of a dry run, as
// they would be; those of a dry run have no token. Errors of which nothing is known to be wrong wrap ErrUnknown.
func Join(ctx context.Context, opt Options) (*Objects, error) {
	j := &joining{Options: opt}
	if err := j.prepare(ctx); err != nil {
		return nil, err
	}
	if j.DryRun {
		return &Objects{Member: j.memberObjects(), Host: j.hostObjects()}, nil
	}
	var done Objects
	for _, o := range j.account.objects {
		if _, err := j.write(ctx, j.member, o, &done.Member); err != nil {
			return nil, err
		}
	}
	if err := j.withdrawMirror(ctx); err != nil {
		return nil, err
	}
	token, err := j.write(ctx, j.member, j.token, &done.Member)
	if err == nil {
		err = j.use(ctx, token)
	}
	if err != nil {
		return nil, err
	}
	var last *Object
	for _, o := range j.hostObjects() {
		if last, err = j.write(ctx, j.host, o, &done.Host); err != nil {
			return nil, err
		}
	}
	if j.Timeout > 0 || j.Rotate {
		if err := j.await(ctx, done.Host[0], last); err != nil {
			return nil, err
		}
	}
	if j.Rotate {
		err = j.deleteFormer(ctx)
	}
	return &done, err
}

// prepare looks at both clusters and makes all checks (J1): it writes nothing.
func (j *joining) prepare(ctx context.Context) (err error) {
	var memberErr error
	j.host, err = connect(ctx, "host", j.Host)
	if j.member, memberErr = connect(ctx, "member", j.Member); err != nil || memberErr != nil {
		return errors.Join(err, memberErr)
	}
	j.say("host", fmt.Sprintf("%s   %s   id %s", place(j.host), j.host.version, j.host.uid))
	j.say("member", fmt.Sprintf("%s   %s   id %s", place(j.member), j.member.version, j.member.uid))
	if j.host.uid == j.member.uid {
		j.say("member", "it is the host itself")
	}
	if err := j.check(ctx); err != nil {
		return err
	}
	var further []string
	if j.propagates() {
		further = append(further, propagationManifest)
	}
	if j.Mirror.given(j.existing) {
		further = append(further, mirrorManifest)
	}
	if j.account, err = memberAccount(further...); err != nil {
		return err
	}
	if err := j.bindReaders(ctx); err != nil {
		return err
	}
	if err := j.chooseToken(ctx); err != nil {
		return err
	}
	return j.tryWrites(ctx)
}

func place(c *cluster) string {
	if c.Context == "" {
		return c.Config.Host
	}
	return fmt.Sprintf("%s   (context %s)", c.Config.Host, c.Context)
}

// propagates reports whether FederatedServices are to reach the member: as is said, or as an earlier run has set it.
func (j *joining) propagates() bool {
	value, said := j.Spec["propagation"]
	if !said {
		value = owned(j.existing)["propagation"]
	}
	return value == string(v1alpha1.PropagationEnabled)
}

func (j *joining) say(topic, text string) { j.Progress.Say(topic, text) }

// holder returns the replica that writes.
func (j *joining) holder(lease *coordinationv1.Lease) (string, error) {
	return live.Holder(lease, time.Now())
}

// memberObjects are those to apply in the member.
func (j *joining) memberObjects() []*Object {
	return append(append([]*Object{}, j.account.objects...), j.token)
}

// hostObjects are those to apply in the host: the Secret first, so that the syncer finds it.
func (j *joining) hostObjects() []*Object {
	kubeconfig := j.kubeconfig
	if kubeconfig == nil { // of a dry run
		kubeconfig, _ = j.route.kubeconfig(j.account.name(), noToken) // a token is no reason for an error
	}
	return []*Object{
		memberSecret(j.Name, j.Namespace, kubeconfig),
		memberCluster(j.Name, j.member.uid, j.Spec, j.Mirror.given(j.existing), j.existing),
	}
}

// notes are what is said of objects.
var notes = map[string]string{
	"clusterrole/federation-syncer":             "read-only: services, endpointslices, nodes",
	"clusterrole/federation-syncer-propagation": "services: get, create, patch, delete",
	"role/federation-syncer":                    "in federation-mirror: configmaps",
	"role/coredns":                              "in federation-mirror: read-only: configmaps",
}

// write applies an object, says so, and appends it to a list.
func (j *joining) write(ctx context.Context, c *cluster, o *Object, list *[]*Object) (*Object, error) {
	after, result, err := c.apply(ctx, o, applying{force: j.ForceConflicts})
	if err != nil {
		return nil, err
	}
	j.Progress.Wrote(c.role, title(o), result, notes[title(o)])
	*list = append(*list, o)
	return after, nil
}
