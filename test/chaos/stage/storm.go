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

// Storm changes the labels of the Nodes, one after the other, until ctx ends, and
// puts them back: each loses its region and its topology zone to values that no
// DNS name can have, or to none, and gets them again, so that at any time another
// Node says where the member is.
func (m *Member) Storm(ctx context.Context) (changes int, err error) {
	tick := time.NewTicker(stormEvery)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		node := fmt.Sprintf("%s-node-%d", m.Name, n%2+1)
		region, zone := any(fmt.Sprintf("dc.row_%d", n)), any(fmt.Sprintf("dc.rack_%d", n))
		if n%4 < 2 {
			region, zone = nil, nil
		}
		for _, labels := range []map[string]any{
			{corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zone, "example.com/storm": fmt.Sprint(n)},
			{corev1.LabelTopologyRegion: m.Region, corev1.LabelTopologyZone: m.Zone, "example.com/storm": nil},
		} {
			if err := m.relabel(context.WithoutCancel(ctx), node, labels); err != nil {
				return changes, err
			}
			changes++
			select {
			case <-ctx.Done(): // but a Node gets its labels back
			case <-tick.C:
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
