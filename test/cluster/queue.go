package main

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// queue holds the namespace/name of objects to sync.
type queue = workqueue.TypedRateLimitingInterface[string]

func newQueue() queue {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](50*time.Millisecond, 2*time.Second)
	return workqueue.NewTypedRateLimitingQueue(limiter)
}

// work syncs the objects in the queue until it is shut down. A failure is logged with the key kind, and retried.
func work(ctx context.Context, kind string, q queue, sync func(context.Context, string) error) {
	for {
		key, down := q.Get()
		if down {
			return
		}
		if err := sync(ctx, key); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "sync failed", kind, key)
			q.AddRateLimited(key)
		} else {
			q.Forget(key)
		}
		q.Done(key)
	}
}
