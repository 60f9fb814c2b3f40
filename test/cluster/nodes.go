package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func (o options) nodeName(i int) string { return fmt.Sprintf("%s-node-%d", o.name, i+1) }

// createNodes makes the simulated Nodes, ready and with topology labels; those of an earlier run are left alone.
func createNodes(ctx context.Context, o options, client kubernetes.Interface) error {
	for i := range o.nodes {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.nodeName(i), Labels: map[string]string{
			corev1.LabelHostname: o.nodeName(i), corev1.LabelOSStable: "linux",
		}}}
		if o.region != "" {
			node.Labels[corev1.LabelTopologyRegion] = o.region
		}
		if len(o.zones) > 0 {
			node.Labels[corev1.LabelTopologyZone] = o.zones[i%len(o.zones)]
		}
		created, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("node %q: %w", node.Name, err)
		}
		now := metav1.Now()
		created.Status.Conditions = []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}}
		created.Status.NodeInfo.KubeletVersion = "v0.0.0-simulated"
		if _, err := client.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("status of node %q: %w", node.Name, err)
		}
	}
	return nil
}

// waitServiceAccount waits until the controllers run: pods need the default service account.
func waitServiceAccount(ctx context.Context, client kubernetes.Interface) error {
	return poll(ctx, "the default service account", func() error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}
