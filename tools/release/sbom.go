package main

import (
	"os"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM lists the modules that a binary was built from, as the binary itself tells them, with their licences. It
// has no serial number and no time, so that it is reproducible.
func writeSBOM(path string, o options, b binary, l *licenses) error {
	bom := cdx.NewBOM()
	ref := "pkg:golang/" + b.info.Main.Path + "@" + o.version + "#" + strings.TrimPrefix(b.program.pkg, "./")
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: b.program.name, Version: o.version,
		PackageURL: ref, Description: b.program.title, Licenses: spdx([]string{"Apache-2.0"}),
		Properties: &[]cdx.Property{
			{Name: "platform", Value: b.platform.String()},
			{Name: "go", Value: b.info.GoVersion},
			{Name: "revision", Value: o.revision},
		},
	}}
	components := []cdx.Component{library("std", strings.TrimPrefix(b.info.GoVersion, "go"), l.ids("std"))}
	for _, m := range b.info.Deps {
		ids := l.ids(m.Path)
		if m.Replace != nil {
			m = m.Replace
		}
		c := library(m.Path, m.Version, ids)
		c.Properties = &[]cdx.Property{{Name: "go.sum", Value: m.Sum}}
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	refs := make([]string, len(components))
	for i, c := range components {
		refs[i] = c.BOMRef
	}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{{Ref: ref, Dependencies: &refs}}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := cdx.NewBOMEncoder(f, cdx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	return f.Close()
}

func library(path, version string, ids []string) cdx.Component {
	url := "pkg:golang/" + path + "@" + version
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url,
		Licenses: spdx(ids)}
}

func spdx(ids []string) *cdx.Licenses {
	all := cdx.Licenses{}
	for _, id := range ids {
		all = append(all, cdx.LicenseChoice{License: &cdx.License{ID: id}})
	}
	return &all
}
