package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// size is one row of the table: what was measured at one size.
type size struct {
	members, services int
	values            map[string]float64 // by the heading of the column
}

// columns are those that are drawn, as they are headed.
var columns = []string{"start s", "B/shard", "p50 ms", "p99 ms", "allocs", "bytes"}

// parse reads the table of `make bench-scale` out of the documentation: the one
// that begins with "| members | services |".
func parse(text string) ([]size, error) {
	_, rest, ok := strings.Cut(text, "| members | services |")
	if !ok {
		return nil, fmt.Errorf("there is no table that begins with members and services")
	}
	head, rest, _ := strings.Cut(rest, "\n")
	headings := append([]string{"members", "services"}, cells(head)...)
	for _, c := range columns {
		if !slices.Contains(headings, c) {
			return nil, fmt.Errorf("the table has no column %q", c)
		}
	}
	var sizes []size
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|--") {
			continue
		}
		s, err := parseRow(headings, cells(line))
		if err != nil {
			return nil, fmt.Errorf("row %q: %w", strings.TrimSpace(line), err)
		}
		sizes = append(sizes, s)
	}
	if len(sizes) == 0 {
		return nil, fmt.Errorf("the table has no rows")
	}
	return sizes, nil
}

// cells are those of a row of a Markdown table.
func cells(line string) []string {
	var out []string
	for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
		out = append(out, strings.TrimSpace(cell))
	}
	return out
}

func parseRow(headings, cells []string) (size, error) {
	s := size{values: map[string]float64{}}
	if len(cells) != len(headings) {
		return s, fmt.Errorf("%d cells, want %d", len(cells), len(headings))
	}
	for i, cell := range cells {
		v, err := number(cell)
		if err != nil {
			return s, err
		}
		s.values[headings[i]] = v
	}
	s.members, s.services = int(s.values["members"]), int(s.values["services"])
	return s, nil
}

// number reads one such as "1,210,000", "16.8" or "31 k".
func number(text string) (float64, error) {
	factor := 1.0
	plain := strings.ReplaceAll(text, ",", "")
	if thousands, ok := strings.CutSuffix(plain, " k"); ok {
		plain, factor = thousands, 1000
	}
	v, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return v * factor, nil
}
