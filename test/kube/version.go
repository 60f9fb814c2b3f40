package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
)

// EnvVersion names another version of Kubernetes for the API servers, such as v1.36.4.
const EnvVersion = "KUBERNETES_VERSION"

// pinnedVersion is that of k8s.io/kubernetes in test/cluster/go.mod.
const pinnedVersion = "v1.37.2"

// Version is the version that the API servers say that they have. It panics if EnvVersion names none.
func Version() string {
	version := os.Getenv(EnvVersion)
	if version == "" {
		return pinnedVersion
	}
	if !regexp.MustCompile(`^v1\.[0-9]+\.[0-9]+$`).MatchString(version) {
		panic(fmt.Sprintf("%s is %q: want a released version, such as %s", EnvVersion, version, pinnedVersion))
	}
	return version
}

// sourceOf copies the sources of testcluster to a new folder, with the modules of another version of Kubernetes.
func sourceOf(ctx context.Context, source, version string) (dir string, err error) {
	dir, err = os.MkdirTemp("", "testcluster-")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir) // in the folder for temporary files
		}
	}()
	names, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	upstream, err := upstreamModules(ctx, dir, version)
	if err != nil {
		return "", err
	}
	ours, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", err
	}
	text, err := modulesFor(ours, upstream, version)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644)
}

// upstreamModules returns the go.mod of k8s.io/kubernetes.
func upstreamModules(ctx context.Context, dir, version string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "k8s.io/kubernetes@"+version)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, failed := cmd.Output()
	var module struct{ GoMod, Error string }
	if err := json.Unmarshal(out, &module); err != nil {
		return nil, fmt.Errorf("k8s.io/kubernetes %s: %w", version, errors.Join(failed, err))
	}
	if module.Error != "" {
		return nil, fmt.Errorf("k8s.io/kubernetes %s: %s", version, module.Error)
	}
	return os.ReadFile(module.GoMod)
}

// modulesFor returns the go.mod of testcluster for a version of Kubernetes: its own requirements, so that every module
// has the version that it was released with, and its parts, which it replaces by folders of its repository, by their
// published modules.
func modulesFor(ours, upstream []byte, version string) ([]byte, error) {
	own, err := modfile.ParseLax("go.mod", ours, nil)
	if err != nil {
		return nil, err
	}
	kubernetes, err := modfile.Parse("go.mod of k8s.io/kubernetes", upstream, nil)
	if err != nil {
		return nil, err
	}
	part := "v0" + strings.TrimPrefix(version, "v1")
	// Two parts are examples, and not all of their versions are published.
	example := func(path string) bool { return strings.HasPrefix(path, "k8s.io/sample-") }
	var f modfile.File
	errs := []error{f.AddModuleStmt(own.Module.Mod.Path), f.AddGoStmt(kubernetes.Go.Version),
		f.AddRequire("k8s.io/kubernetes", version)}
	for _, r := range kubernetes.Require {
		switch {
		case example(r.Mod.Path):
		case r.Mod.Version == "v0.0.0":
			errs = append(errs, f.AddRequire(r.Mod.Path, part))
		default:
			errs = append(errs, f.AddRequire(r.Mod.Path, r.Mod.Version))
		}
	}
	for _, r := range kubernetes.Replace {
		if !example(r.Old.Path) {
			errs = append(errs, f.AddReplace(r.Old.Path, "", r.Old.Path, part))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f.Format()
}
