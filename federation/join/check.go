package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/metadata"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// check makes all checks that read (J1). It returns what is wrong, all of it, or nil.
func (j *joining) check(ctx context.Context) error {
	var problems []error
	one := func(err error, good string) {
		if err != nil {
			problems = append(problems, err)
			return
		}
		j.say("checked", good)
	}
	found, err := j.checkHost(ctx)
	one(err, found)
	if err != nil {
		return err // what follows reads what is not there
	}
	one(j.checkNames(ctx), "no other member has this name or is this cluster")
	found, err = j.checkTopology(ctx)
	one(err, found)
	j.route, err = routeOf(j.member.Config, j.Server, j.CA, j.host.uid == j.member.uid)
	err = errors.Join(err, checkAuthority(j.CA))
	one(err, "the syncer is to reach it at "+j.route.server)
	return errors.Join(problems...)
}

// checkHost checks that the host has the kind, and a syncer that writes.
func (j *joining) checkHost(ctx context.Context) (string, error) {
	const install = "install the chart federation-syncer there, or: kubectl apply -f deploy/crds -f " +
		"deploy/host-rbac.yaml"
	_, err := j.host.of("MemberCluster", "").List(ctx, metav1.ListOptions{Limit: 1})
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("the %s has no MemberClusters. Is this the cluster of the syncer? If so, "+
			"%s", j.host, install)
	case err != nil:
		return "", j.host.errorf(err, "memberclusters")
	}
	lease, err := j.host.core.CoordinationV1().Leases(j.Namespace).Get(ctx, j.Lease, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("the %s has no Lease %s/%s: no syncer has run there with this cluster as host in its "+
			"configuration. Choose its cluster by --context, or its namespace by "+
			"--syncer-namespace", j.host, j.Namespace,
			j.Lease)
	case err != nil:
		return "", j.host.errorf(err, "lease/"+j.Lease)
	}
	if _, err := j.holder(lease); err != nil {
		return "", unknown{err}
	}
	j.status, err = j.Source.Status(ctx)
	version := "its version is not known"
	if err != nil {
		j.say("warning", "the syncer cannot be asked, so members of its file are not compared: "+err.Error())
	} else if j.status.Version != "" {
		version = j.status.Version
	}
	return fmt.Sprintf("the host has the CRDs and a running syncer (%s)", version), nil
}

// checkNames checks that no other member has the name, or is the cluster. It finds the MemberCluster of an earlier run.
func (j *joining) checkNames(ctx context.Context) error {
	list, err := j.host.of("MemberCluster", "").List(ctx, metav1.ListOptions{})
	if err != nil {
		return j.host.errorf(err, "memberclusters")
	}
	for i := range list.Items {
		o := &list.Items[i]
		name, id := o.GetName(), clusterID(o)
		switch {
		case name == j.Name && id != "" && id != j.member.uid:
			return fmt.Errorf("%q is another cluster (id %s): choose another name, or unjoin that one first", name, id)
		case name == j.Name:
			j.existing = o
		case id == j.member.uid:
			return fmt.Errorf("this cluster is a member already, as %q: unjoin that one first, or run this again with "+
				"that name", name)
		}
	}
	if j.status == nil || len(j.status.Federations) == 0 {
		return nil
	}
	for _, m := range j.status.Federations[0].Members { // each is in all federations
		if m.Status == "departed" || m.Object {
			continue
		}
		if err := j.compareWithFile(m); err != nil {
			return err
		}
	}
	return nil
}

// compareWithFile compares with a member of the syncer's configuration file. One that was never reached may be any
// cluster: the condition tells.
func (j *joining) compareWithFile(m admin.MemberStatus) error {
	switch same := m.ClusterID == j.member.uid; {
	case m.ClusterID == "":
		return nil
	case m.Name == j.Name && !same:
		return fmt.Errorf("the configuration file of the syncer has a member %q, which is another cluster (id %s): "+
			"choose "+
			"another name", m.Name, m.ClusterID)
	case m.Name == j.Name:
		j.say("warning", fmt.Sprintf("the configuration file of the syncer has %q too, and counts: delete that entry "+
			"once the object is there", m.Name))
	case same:
		return fmt.Errorf("this cluster is a member already, as %q of the syncer's configuration file: run this again "+
			"with that name", m.Name)
	}
	return nil
}

// checkTopology checks that it is known where the member is.
func (j *joining) checkTopology(ctx context.Context) (string, error) {
	if topology, ok, _ := unstructured.NestedMap(j.Spec, "topology"); ok {
		return "its place is given: " + placeOf(topology), nil
	}
	if j.existing != nil {
		if topology, ok := owned(j.existing)["topology"].(map[string]any); ok {
			return "its place was given: " + placeOf(topology), nil
		}
	}
	client, err := metadata.NewForConfigAndClient(j.member.config, j.member.client)
	if err != nil {
		return "", j.member.errorf(err, "nodes")
	}
	var nodes []map[string]string
	opt := metav1.ListOptions{Limit: 500}
	for {
		list, err := client.Resource(corev1.SchemeGroupVersion.WithResource("nodes")).List(ctx, opt)
		if err != nil {
			return "", j.member.errorf(err, "nodes")
		}
		for _, n := range list.Items {
			nodes = append(nodes, n.Labels)
		}
		if opt.Continue = list.Continue; opt.Continue == "" {
			break
		}
	}
	place, missing, err := placeOfNodes(nodes)
	if missing != "" {
		j.say("warning", missing)
	}
	return "its Nodes say where it is: " + place, err
}

// placeOfNodes returns the place that the labels of the Nodes say, and what is missing although there is one.
func placeOfNodes(nodes []map[string]string) (place, missing string, err error) {
	regions, zones := map[string]int{}, map[string]int{}
	without := 0
	for _, labels := range nodes {
		region := firstOf(labels, corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaRegion)
		zone := firstOf(labels, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone)
		if region == "" || zone == "" {
			without++
		}
		count(regions, region)
		count(zones, zone)
	}
	const label = "label them (kubectl label node NODE topology.kubernetes.io/region=REGION " +
		"topology.kubernetes.io/zone=ZONE), or say it by --region and --zones"
	switch {
	case len(nodes) == 0:
		return "", "", errors.New("the member has no Nodes, so it is not known where it is: say it by --region and " +
			"--zones")
	case len(regions) == 0 && len(zones) == 0:
		return "", "", fmt.Errorf("the member's Nodes do not say where they are: %s", label)
	case len(regions) > 1:
		missing = fmt.Sprintf("the Nodes are in several regions (%s): the one of most Nodes counts, --region says "+
			"another",
			strings.Join(keys(regions), ", "))
	case without > 0:
		missing = fmt.Sprintf("%d of %d Nodes lack a region or a zone that is a DNS label: "+
			"%s", without, len(nodes), label)
	}
	return strings.Join(keys(regions), ",") + ": " + strings.Join(keys(zones), ","), missing, nil
}

func count(labels map[string]int, value string) {
	if value != "" {
		labels[value]++
	}
}

// firstOf returns the first label that may be part of a name.
func firstOf(labels map[string]string, names ...string) string {
	for _, name := range names {
		if value := labels[name]; value != "" {
			if label, err := federation.ParseLabel(value); err == nil {
				return string(label)
			}
			return ""
		}
	}
	return ""
}

func keys(m map[string]int) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// placeOf returns the text of a topology in a spec.
func placeOf(topology map[string]any) string {
	region, _ := topology["region"].(string)
	var zones []string
	list, _ := topology["zones"].([]any)
	for _, z := range list {
		zones = append(zones, fmt.Sprint(z))
	}
	return region + ": " + strings.Join(zones, ",")
}

// tryWrites sends all writes without effect: it finds missing rights, values that are refused, and fields that belong
// to others (J1).
func (j *joining) tryWrites(ctx context.Context) error {
	var problems []error
	how := applying{dryRun: true, force: j.ForceConflicts}
	for _, part := range []struct {
		cluster *cluster
		objects []*Object
	}{{j.member, j.memberObjects()}, {j.host, j.hostObjects()}} {
		missing := map[string]bool{} // namespaces that are to be made
		for _, o := range part.objects {
			var err error
			if missing[o.GetNamespace()] {
				err = part.cluster.may(ctx, o)
			} else {
				var result Result
				if _, result, err = part.cluster.apply(ctx, o, how); result == Created && o.GetKind() == "Namespace" {
					missing[o.GetName()] = true
				}
			}
			if errors.Is(err, ErrUnknown) {
				return err
			}
			if err != nil {
				problems = append(problems, err)
			}
		}
	}
	if len(problems) == 0 {
		j.say("checked", "both clusters would take all that is to be written")
	}
	return errors.Join(problems...)
}

// statusField returns a text of the status of an object.
func statusField(o *Object, fields ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, append([]string{"status"}, fields...)...)
	return s
}

// readyOf returns the condition Ready of a MemberCluster; nil if it has none.
func readyOf(o *Object) map[string]any {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range list {
		if c, ok := c.(map[string]any); ok && c["type"] == v1alpha1.ConditionReady {
			return c
		}
	}
	return nil
}
