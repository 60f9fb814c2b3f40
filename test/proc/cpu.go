package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// userHZ is the unit of the times in /proc, on all architectures.
const userHZ = 100

// ChildrenCPU returns the CPU time that each child of this process has used, by the name of its program. Those that
// have ended are not there.
func ChildrenCPU() (map[string]time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	used := map[string]time.Duration{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		before, after, ok := strings.Cut(string(text), ") ") // the name may have spaces
		fields := strings.Fields(after)
		if !ok || len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		var ticks [2]int64
		for i := range ticks {
			if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
		_, name, _ := strings.Cut(before, "(")
		used[name] += time.Duration(ticks[0]+ticks[1]) * time.Second / userHZ
	}
	return used, nil
}
