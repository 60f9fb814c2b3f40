package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// packCharts packs every chart of charts/ as helm package does, with the version of the release as its version and
// appVersion, but so that the same files give the same octets.
func packCharts(o options, dir string) error {
	folders, err := os.ReadDir(filepath.Join(o.root, "charts"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range folders {
		if !d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			continue
		}
		if err := packChart(o, d.Name(), dir); err != nil {
			return fmt.Errorf("charts/%s: %w", d.Name(), err)
		}
	}
	return nil
}

func packChart(o options, chart, dir string) error {
	from := filepath.Join(o.root, "charts", chart)
	ignored, err := readHelmIgnore(filepath.Join(from, ".helmignore"))
	if err != nil {
		return err
	}
	files, err := readTree(from, chart, ignored)
	if err != nil {
		return err
	}
	version := chartVersion(o.version)
	stamped := false
	for i, f := range files {
		if f.name != chart+"/Chart.yaml" {
			continue
		}
		text := string(f.data)
		for _, field := range []struct{ name, value string }{{"version", version}, {"appVersion", o.version}} {
			line := regexp.MustCompile(`(?m)^` + field.name + `:.*$`)
			if n := len(line.FindAllString(text, -1)); n != 1 {
				return fmt.Errorf("%d lines of Chart.yaml are %s:, want 1", n, field.name)
			}
			text = line.ReplaceAllString(text, fmt.Sprintf("%s: %q", field.name, field.value))
		}
		files[i].data = []byte(text)
		stamped = true
	}
	if !stamped {
		return errors.New("there is no Chart.yaml")
	}
	return writeArchive(filepath.Join(dir, chart+"-"+version+".tgz"), files)
}

var semver = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z][0-9A-Za-z.-]*)?$`)

// chartVersion is the version of a chart, which has to be a semantic one: without the v of a tag, and after 0.0.0 for
// a commit that no tag names.
func chartVersion(version string) string {
	if v := strings.TrimPrefix(version, "v"); semver.MatchString(v) {
		return v
	}
	return "0.0.0-git-" + strings.ReplaceAll(version, "_", "-")
}

// readHelmIgnore reads the patterns of files that are no part of a chart: globs of a path or of its last element, and
// folders (DIR/), which is what charts use of .helmignore.
func readHelmIgnore(file string) (func(name string) bool, error) {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var patterns []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := path.Match(line, ""); err != nil || line[0] == '!' || strings.Contains(line, "**") {
			return nil, fmt.Errorf(".helmignore: the pattern %q is not understood here", line)
		}
		patterns = append(patterns, strings.Trim(line, "/"))
	}
	return func(name string) bool {
		for _, p := range patterns {
			whole, _ := path.Match(p, name) // was tried above
			last, _ := path.Match(p, path.Base(name))
			if whole || last {
				return true
			}
		}
		return false
	}, nil
}
