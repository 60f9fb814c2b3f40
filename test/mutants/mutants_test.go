package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each change must still fit its file: `make mutants` itself takes minutes.
func TestChangesFit(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	f, err := readMutants(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range f.mutants {
		t.Run(m.clause+" "+m.what, func(t *testing.T) {
			files, err := m.apply(root)
			if err != nil {
				t.Fatal(err)
			}
			for name, changed := range files {
				text, err := os.ReadFile(filepath.Join(root, name))
				if err != nil {
					t.Fatal(err)
				}
				if changed == string(text) {
					t.Error("it changes nothing")
				}
				if strings.HasSuffix(name, ".go") {
					if _, err := parser.ParseFile(token.NewFileSet(), name, changed, 0); err != nil {
						t.Error(err)
					}
				}
			}
			for _, p := range m.packages {
				if _, err := os.Stat(filepath.Join(root, p)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestHolds(t *testing.T) {
	tests := []struct {
		clause, test string
		want         bool
	}{
		{"P2a", "TestRRsets/P2a-one-level-up", true},
		{"P2a", "TestLoop/all/P2a_a_shard_fails", true},
		{"P2a", "P2a", true},
		{"P2a", "TestRRsets/P2b-one-level-up", false},
		{"P6", "TestSuite/P6r_read-back", false},
		{"Q1", "TestNames/Q12", false},
		{"N1", "TestNames/not_N1", false},
	}
	for _, tt := range tests {
		if got := (mutant{clause: tt.clause}).holds(tt.test); got != tt.want {
			t.Errorf("%s holds %q: got %t, want %t", tt.clause, tt.test, got, tt.want)
		}
	}
}
