package docs

import "strings"

// RunPages are the pages whose commands test/e2e runs, in this order and in one shell: later pages go on where the
// quickstart ends.
var RunPages = []string{"docs/quickstart.md", "docs/plugin.md", "docs/uninstall.md"}

// NotRun is why a block of commands, marked `~~~ sh not-run: REASON`, is not run as it stands: the reason, and what it
// means.
var NotRun = map[string]string{
	"cloud":     "needs an account of a cloud, or one of its clusters",
	"docker":    "needs Docker",
	"elsewhere": "the Makefile, CI or another test does the same",
	"kubeadm":   "needs a node that kubeadm has set up, or changes the cluster's own CoreDNS",
	"pods":      "needs real pods",
}

// Commands reports whether the block is one of commands, and why it is not run; "" if it is.
func (b Block) Commands() (yes bool, notRun string) {
	language, use := b.Language()
	return language == "sh", strings.TrimPrefix(use, "not-run: ")
}

// File is the name of the file that the block is the content of, for the commands of its page; "" if it is none.
func (b Block) File() string {
	if _, use := b.Language(); strings.HasPrefix(use, "file ") {
		return strings.TrimPrefix(use, "file ")
	}
	return ""
}
