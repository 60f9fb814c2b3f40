package main

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// queue holds the namespace/name of objects that have to be looked at.
type queue = workqueue.TypedRateLimitingInterface[string]

func newQueue() queue {
	return workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 2*time.Second))
}

// work syncs what comes from the queue until it is shut down; what fails is
// logged as a "what" and comes again.
func work(ctx context.Context, what string, q queue, sync func(context.Context, string) error) {
	for {
		key, down := q.Get()
		if down {
			return
		}
		if err := sync(ctx, key); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "sync failed", what, key)
			q.AddRateLimited(key)
		} else {
			q.Forget(key)
		}
		q.Done(key)
	}
}
