// Build builds the testcluster binary if it is not in the cache, and prints its path. With -node it builds those of a
// Node with real pods too: the kubelet, kube-proxy and the scheduler.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/federation-dns/federation/test/kube"
)

func main() {
	node := flag.Bool("node", false, "build the kubelet, kube-proxy and the scheduler too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := kube.Binary(ctx, os.Stderr)
	if err == nil && *node {
		_, err = kube.BuildNode(ctx, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
