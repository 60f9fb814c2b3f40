package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// commitOf finds the commit of the checkout. Outside git it is "unknown"; with changes that are in no commit, it ends
// in "-dirty".
func commitOf(ctx context.Context, root string) (revision string, clean bool) {
	revision, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return "unknown", false
	}
	// Without the lock that git takes to refresh its index: others may work in the checkout.
	changes, err := git(ctx, root, "--no-optional-locks", "status", "--porcelain")
	if err != nil || changes != "" {
		return revision + "-dirty", false
	}
	return revision, true
}

// cloneCommit makes a clone of the commit in work, and the version a tag there. So nothing that lies about in the
// checkout is released, tags and kind of the checkout (go build does not stamp in a worktree) make no difference, and
// `go version -m` names the version; the commit instead if Go takes the version for none.
func cloneCommit(ctx context.Context, o options, work string) (string, error) {
	clone := filepath.Join(work, "source")
	_, err := git(ctx, work, "clone", "--quiet", "--shared", "--no-tags", "--no-checkout", o.root, clone)
	if err != nil {
		return "", err
	}
	if _, err := git(ctx, clone, "-c", "advice.detachedHead=false", "checkout", "--quiet", o.revision); err != nil {
		return "", err
	}
	_, err = git(ctx, clone, "-c", "tag.gpgSign=false", "tag", "--no-sign", o.version)
	return clone, err
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w%s", strings.Join(args, " "), err, stderrOf(err))
	}
	return strings.TrimSpace(string(out)), nil
}
