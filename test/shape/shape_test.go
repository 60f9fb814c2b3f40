// Package shape bounds how large packages and types may become, so that each can be read as one thing. What is over
// today is listed with what it has, and may only shrink (docs/adr/0018-sizes-are-a-test.md).
package shape

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/test/patch"
)

const root = "../.."

// The bounds. Test files do not count.
const (
	maxFiles   = 13 // of a package
	maxFields  = 15 // of a struct; an embedded field is one
	maxMethods = 25 // of a type
)

// over is what is over a bound, and what it has. An entry goes when the thing fits; a number is never raised.
var over = map[string]int{}

// pkg is what is counted of a folder.
type pkg struct {
	files   int
	fields  map[string]int // by type
	methods map[string]int // by type
}

func TestSizes(t *testing.T) {
	sizes := map[string]int{}
	for dir, p := range packages(t) {
		count := func(what string, n, limit int) {
			if n > limit {
				sizes[what] = n
			}
		}
		count(dir+": files", p.files, maxFiles)
		for name, n := range p.fields {
			count(dir+"."+name+": fields", n, maxFields)
		}
		for name, n := range p.methods {
			count(dir+"."+name+": methods", n, maxMethods)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(sizes)) {
		switch n, allowed := sizes[what], over[what]; {
		case allowed == 0:
			t.Errorf("%s: %d, over the bound (files %d, fields %d, methods %d)", what, n, maxFiles, maxFields,
				maxMethods)
		case n > allowed:
			t.Errorf("%s: %d, and it had %d", what, n, allowed)
		case n < allowed:
			t.Logf("%s: %d, the list may say so instead of %d", what, n, allowed)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(over)) {
		if sizes[what] == 0 {
			t.Logf("%s: fits, or is gone; take it from the list", what)
		}
	}
}

// packages counts all packages, of the modules in tools/ and test/ too.
func packages(t *testing.T) map[string]*pkg {
	t.Helper()
	all := map[string]*pkg{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path) // both are relative to this folder
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != "." || d.Name() == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := all[filepath.Dir(name)]
		if p == nil {
			p = &pkg{fields: map[string]int{}, methods: map[string]int{}}
			all[filepath.Dir(name)] = p
		}
		p.count(file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d packages were found", len(all))
	}
	return all
}

func (p *pkg) count(file *ast.File) {
	p.files++
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv != nil {
				p.methods[patch.Receiver(decl.Recv.List[0].Type)]++
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok {
					if s, ok := typ.Type.(*ast.StructType); ok {
						p.fields[typ.Name.Name] = fields(s)
					}
				}
			}
		}
	}
}

func fields(s *ast.StructType) (n int) {
	for _, f := range s.Fields.List {
		n += max(len(f.Names), 1)
	}
	return n
}

func TestCount(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
type T[K any] struct { a, b int; Embedded; c struct{ d, e int } }
func (t *T[K]) M() {}
func (T[K]) N() {}
func F() {}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pkg{fields: map[string]int{}, methods: map[string]int{}}
	p.count(file)
	if p.files != 1 || p.fields["T"] != 4 || p.methods["T"] != 2 || len(p.methods) != 1 {
		t.Errorf("counted %+v", p)
	}
}
