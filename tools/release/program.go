package main

// program is one that is released.
type program struct {
	name, title string
	pkg         string            // below the module's root
	stamps      map[string]string // variables that get the version, and what stands before it
	image       bool
	// port53: the executable has the file capability to bind ports below 1024. A process that is not root loses the
	// capabilities that its container adds when it starts the program, unless the file has them too.
	port53 bool
}

// programs are all of them. A new one is added here, and nowhere else.
var programs = []program{
	{name: "coredns", title: "CoreDNS with the federation plugin", pkg: "./cmd/coredns", image: true, port53: true,
		// What coredns -version and the metric coredns_build_info show beside the version of CoreDNS.
		stamps: map[string]string{"github.com/coredns/coredns/coremain.GitCommit": "federation-"}},
	{name: "federation-syncer", title: "keeps the records of federated Services true", pkg: "./cmd/federation-syncer",
		image: true, stamps: map[string]string{"main.version": ""}},
	{name: "kubectl-federation", title: "kubectl plugin that shows what a federation answers, and why",
		pkg: "./cmd/kubectl-federation", stamps: map[string]string{"main.version": ""}},
}

func programNames() []string {
	names := make([]string, len(programs))
	for i, p := range programs {
		names[i] = p.name
	}
	return names
}

// platform is an operating system and an architecture, in Go's words, which are those of OCI too.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }
