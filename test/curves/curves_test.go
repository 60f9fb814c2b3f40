package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// TestPicture holds docs/scale.svg to the table in docs/performance.md.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	is, err := os.ReadFile("../../docs/scale.svg")
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != draw(sizes) {
		t.Error("docs/scale.svg is not what the table of docs/performance.md says: go run ./test/curves")
	}
}

func TestDraw(t *testing.T) {
	table := `
| members | services | shards | start s | B/shard | p50 ms | p99 ms | allocs | bytes |
|---|---|---|---|---|---|---|---|---|
| 10 | 1,000 | 10,000 | 0.1 | 849 | 5.5 | 6.0 | 245 | 31 k |
| 10 | 10,000 | 100,000 | 0.9 | 848 | 5.5 | 6.7 | 245 | 31 k |
| 100 | 1,000 | 100,000 | 0.9 | 837 | 6.0 | 7.7 | 790 | 292 k |

more
`
	sizes, err := parse(table)
	if err != nil || len(sizes) != 3 || sizes[2].values["bytes"] != 292000 || sizes[1].services != 10000 {
		t.Fatalf("%v %v", sizes, err)
	}
	picture := draw(sizes)
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, picture)
		}
	}
	if n := strings.Count(picture, "<circle"); n != 3*2*len(panels) {
		t.Errorf("%d points, want each row in each panel", n)
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(picture, bad) {
			t.Errorf("the picture has %s", bad)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for name, text := range map[string]string{
		"no table":  "nothing",
		"no column": "| members | services | shards |\n|---|---|---|\n| 1 | 2 | 3 |\n",
		"no number": "| members | services | start s | B/shard | p50 ms | p99 ms | allocs | bytes " +
			"|\n|---|---|---|---|---|---|---|---|\n| 1 | 2 | x | 1 | 1 | 1 | 1 | 1 |\n",
		"no rows": "| members | services | start s | B/shard | p50 ms | p99 ms | allocs | bytes " +
			"|\n|---|---|---|---|---|---|---|---|\n",
		"few cells": "| members | services | start s | B/shard | p50 ms | p99 ms | allocs | bytes " +
			"|\n|---|---|---|---|---|---|---|---|\n| 1 | 2 |\n",
	} {
		t.Run(name, func(t *testing.T) {
			if sizes, err := parse(text); err == nil {
				t.Errorf("no error, but %v", sizes)
			}
		})
	}
}
