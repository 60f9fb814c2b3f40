// Package patch makes changes in declarations of the source, in whichever file of a package these are: wrong ones, to
// see who notices.
package patch

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// Change replaces a text of a declaration.
type Change struct {
	// Path is that of a package, or of a file, from the module's root.
	Path string
	// Decl is the declaration in the package: F, T.Method, or the name of a type, variable or constant. It is empty for
	// a file.
	Decl string
	// From is in the declaration exactly once.
	From, To string
}

// Files are the texts of changed files, by their path from the module's root.
type Files map[string]string

// Apply makes a change, after those that are in the files already.
func (f Files) Apply(root string, c Change) error {
	file, start, end, err := f.find(root, c)
	if err != nil {
		return err
	}
	whole, err := f.read(root, file)
	if err != nil {
		return err
	}
	if c.Decl == "" {
		end = len(whole)
	}
	decl := whole[start:end]
	if n := strings.Count(decl, c.From); c.From == "" || n != 1 {
		return fmt.Errorf("%s %s: the text to change is there %d times, want once: %q", c.Path, c.Decl, n, c.From)
	}
	f[file] = whole[:start] + strings.Replace(decl, c.From, c.To, 1) + whole[end:]
	return nil
}

// Overlay writes the files to dir, which it makes, and a list for the flag -overlay of the go command, whose path it
// returns.
func (f Files) Overlay(root, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file := range maps.Keys(f) {
		original, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		replace[original] = filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(file)))
		if err := os.WriteFile(replace[original], []byte(f[file]), 0o644); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o644)
}

func (f Files) read(root, file string) (string, error) {
	if text, changed := f[file]; changed {
		return text, nil
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	return string(text), err
}

// find returns the file of the declaration, and its octets there.
func (f Files) find(root string, c Change) (file string, start, end int, err error) {
	if c.Decl == "" {
		return c.Path, 0, 0, nil
	}
	names, err := filepath.Glob(filepath.Join(root, c.Path, "*.go"))
	if err != nil {
		return "", 0, 0, err
	}
	found := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		here := filepath.Join(c.Path, filepath.Base(name))
		text, err := f.read(root, here)
		if err != nil {
			return "", 0, 0, err
		}
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return "", 0, 0, err
		}
		for _, d := range parsed.Decls {
			for _, n := range declared(d) {
				if n.name == c.Decl {
					found++
					file, start, end = here, fset.Position(n.node.Pos()).Offset, fset.Position(n.node.End()).Offset
				}
			}
		}
	}
	if found != 1 {
		return "", 0, 0, fmt.Errorf("%s declares %s %d times, want once", c.Path, c.Decl, found)
	}
	return file, start, end, nil
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
			name = Receiver(d.Recv.List[0].Type) + "." + name
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

// Receiver returns the name of the type of a method, by its receiver; "" if there is none.
func Receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return Receiver(e.X)
	case *ast.IndexExpr:
		return Receiver(e.X)
	case *ast.IndexListExpr:
		return Receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
