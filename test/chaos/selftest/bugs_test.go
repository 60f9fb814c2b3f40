package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBugs: each planted bug still fits the code.
func TestBugs(t *testing.T) {
	text, err := os.ReadFile("bugs.txt")
	if err != nil {
		t.Fatal(err)
	}
	bugs, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 10 {
		t.Errorf("there are %d bugs, want ten at least", len(bugs))
	}
	for _, b := range bugs {
		if _, err := b.files(filepath.Join("..", "..", "..")); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a bug\nfinds empty":                              "a place with lines",
		"a bug\nat x.go\n-a\n+b":                          "want finds",
		"a bug\nfavour nothing\nfinds empty\nat x.go\n-a": "allowed are",
		"a bug\nfinds empty\nat x.go\n-a\n+b\nsomething":  "none of favour",
		"a bug\n-a": "none of favour",
		"a bug\nfinds empty\nat federation/policy\n-a":            "a package and a declaration",
		"a bug\nhosts bind,knot,pdns\nfinds empty\nat x.go\n-a\n": "want 2 of",
	} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q", text, err, want)
		}
	}
}
