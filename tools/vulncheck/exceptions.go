package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// exception is a vulnerability that may be reached for a time.
type exception struct {
	id, reason string
	until      time.Time // the last day, UTC
}

// over says whether the last day has passed.
func (e exception) over(now time.Time) bool { return !now.Before(e.until.AddDate(0, 0, 1)) }

// readExceptions reads a file of entries "ID YYYY-MM-DD REASON". An indented line continues the reason of the entry
// above; empty lines and comments (#) say nothing.
func readExceptions(path string) ([]exception, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []exception
	for i, line := range strings.Split(string(data), "\n") {
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(all) == 0 {
				return nil, fmt.Errorf("%s:%d: an indented line continues an entry, and there is none above", path, i+1)
			}
			all[len(all)-1].reason += " " + text
			continue
		}
		fields := strings.Fields(text)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "GO-") {
			return nil, fmt.Errorf("%s:%d: %q is not of the form \"GO-YYYY-NNNN YYYY-MM-DD REASON\"", path, i+1, text)
		}
		until, err := time.Parse(time.DateOnly, fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %q is no date of the form YYYY-MM-DD", path, i+1, fields[1])
		}
		all = append(all, exception{id: fields[0], until: until, reason: strings.Join(fields[2:], " ")})
	}
	return all, nil
}
