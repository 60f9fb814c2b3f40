package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// place is where a change is made: a declaration of a package, in whichever
// file it is, or a whole file.
type place struct {
	file       string // from the module's root
	start, end int    // the declaration's octets in the file
}

// find returns where the mutant's declaration is.
func (m mutant) find(root string) (place, error) {
	if m.decl == "" {
		text, err := os.ReadFile(filepath.Join(root, m.path))
		return place{file: m.path, end: len(text)}, err
	}
	names, err := filepath.Glob(filepath.Join(root, m.path, "*.go"))
	if err != nil {
		return place{}, err
	}
	var found []place
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return place{}, err
		}
		for _, d := range f.Decls {
			for _, n := range declared(d) {
				if n.name == m.decl {
					found = append(found, place{
						file:  filepath.Join(m.path, filepath.Base(name)),
						start: fset.Position(n.node.Pos()).Offset, end: fset.Position(n.node.End()).Offset,
					})
				}
			}
		}
	}
	if len(found) != 1 {
		return place{}, fmt.Errorf("%s declares %s %d times, want once", m.path, m.decl, len(found))
	}
	return found[0], nil
}

type named struct {
	name string
	node ast.Node
}

// declared returns the names that a declaration declares, each with the node
// to change: F, T.Method, or the name of a type, variable or constant, which
// stands for its whole group.
func declared(d ast.Decl) []named {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			name = receiver(d.Recv.List[0].Type) + "." + name
		}
		return []named{{name, d}}
	case *ast.GenDecl:
		var out []named
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				out = append(out, named{s.Name.Name, d})
			case *ast.ValueSpec:
				for _, n := range s.Names {
					out = append(out, named{n.Name, d})
				}
			}
		}
		return out
	}
	return nil
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
