// Build builds the testcluster binary if it is not in the cache, and prints
// its path.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/federation-dns/federation/test/kube"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := kube.Binary(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
