package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// stormEvery is the time from one change of a Node to the next, if the API
// server is that fast.
const stormEvery = 20 * time.Millisecond

const (
	nodes      = 2 // of each member
	stormLabel = "example.com/storm"
)

// Storm changes the labels of the Nodes, one after the other, until ctx ends, and
// puts them back: all lose region and topology zone to values that no DNS name
// can have, or to none, and get them again. So again and again there is no Node
// that says where the member is (H6).
func (m *Member) Storm(ctx context.Context) (changes int, err error) {
	tick := time.NewTicker(stormEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		lost := map[string]any{corev1.LabelTopologyRegion: nil, corev1.LabelTopologyZone: nil, stormLabel: fmt.Sprint(changes)}
		if changes%8 == 0 {
			lost[corev1.LabelTopologyRegion], lost[corev1.LabelTopologyZone] = fmt.Sprintf("dc.row_%d", changes), fmt.Sprintf("dc.rack_%d", changes)
		}
		again := map[string]any{corev1.LabelTopologyRegion: m.Region, corev1.LabelTopologyZone: m.Zone, stormLabel: nil}
		for _, labels := range []map[string]any{lost, again} {
			for node := range nodes {
				if err := m.relabel(context.WithoutCancel(ctx), fmt.Sprintf("%s-node-%d", m.Name, node+1), labels); err != nil {
					return changes, err
				}
				changes++
				select {
				case <-ctx.Done(): // but they get their labels back
				case <-tick.C:
				}
			}
		}
	}
	return changes, nil
}

func (m *Member) relabel(ctx context.Context, node string, labels map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		return err
	}
	_, err = m.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
