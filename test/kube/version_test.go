package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModulesFor(t *testing.T) {
	const ours = "module example.com/testcluster\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.37.2\n"
	const upstream = `module k8s.io/kubernetes

go 1.25.0

require (
	github.com/spf13/pflag v1.0.9
	k8s.io/api v0.0.0
	k8s.io/sample-controller v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/sample-controller => ./staging/src/k8s.io/sample-controller
)
`
	got, err := modulesFor([]byte(ours), []byte(upstream), "v1.36.4")
	if err != nil {
		t.Fatal(err)
	}
	const want = `module example.com/testcluster

go 1.25.0

require (
	k8s.io/kubernetes v1.36.4
	github.com/spf13/pflag v1.0.9
	k8s.io/api v0.36.4
)

replace k8s.io/api => k8s.io/api v0.36.4
`
	if d := cmp.Diff(string(got), want); d != "" {
		t.Errorf("go.mod (-got +want):\n%s", d)
	}
}
