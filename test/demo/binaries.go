package main

import (
	"context"
	"os"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// envTestcluster tells the copy inside the namespace, where there is no
// network, which testcluster to run.
const envTestcluster = "FEDERATION_DNS_TESTCLUSTER"

// prepare does what must be done before the private namespace is entered: it
// chooses the folder of this run and has testcluster built. The copy of the
// program inside finds both in its environment, and makes the folder.
func prepare(f *flags) (dir string, err error) {
	if dir := os.Getenv(proc.EnvDir); dir != "" {
		f.testcluster = os.Getenv(envTestcluster)
		return dir, os.Mkdir(dir, 0o700)
	}
	if f.testcluster == "" {
		if f.testcluster, err = kube.Binary(context.Background(), os.Stdout); err != nil {
			return "", err
		}
	}
	if err := os.Setenv(envTestcluster, f.testcluster); err != nil {
		return "", err
	}
	dir = world.NewDirName()
	return dir, os.Setenv(proc.EnvDir, dir)
}
