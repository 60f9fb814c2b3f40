package main

import (
	"os"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM lists the modules that a binary was built from, as the binary itself tells them. It has no serial number
// and no time, so that it is reproducible.
func writeSBOM(path string, o options, b binary) error {
	bom := cdx.NewBOM()
	ref := "pkg:golang/" + b.info.Main.Path + "@" + o.version + "#" + strings.TrimPrefix(b.program.pkg, "./")
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: ref, Type: cdx.ComponentTypeApplication, Name: b.program.name, Version: o.version,
		PackageURL: ref, Description: b.program.title,
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Properties: &[]cdx.Property{
			{Name: "platform", Value: b.platform.String()},
			{Name: "go", Value: b.info.GoVersion},
		},
	}}
	components := []cdx.Component{{
		BOMRef: "pkg:golang/std@" + strings.TrimPrefix(b.info.GoVersion, "go"), Type: cdx.ComponentTypeLibrary,
		Name: "std", Version: b.info.GoVersion, PackageURL: "pkg:golang/std@" + strings.TrimPrefix(b.info.GoVersion,
			"go"),
		Licenses: &cdx.Licenses{{License: &cdx.License{ID: "BSD-3-Clause"}}},
	}}
	var refs []string
	for _, m := range b.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		url := "pkg:golang/" + m.Path + "@" + m.Version
		components = append(components, cdx.Component{
			BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url,
			Properties: &[]cdx.Property{{Name: "go.sum", Value: m.Sum}},
		})
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	for _, c := range components {
		refs = append(refs, c.BOMRef)
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
