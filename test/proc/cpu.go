package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
		st, err := readStat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH): // it has ended
		case err != nil:
			return nil, err
		case st.parent == os.Getpid():
			used[st.name] += st.cpu
		}
	}
	return used, nil
}

// CPU returns the CPU time that a process has used.
func CPU(pid int) (time.Duration, error) {
	st, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return st.cpu, err
}

// stat is what is read of /proc/PID/stat.
type stat struct {
	name   string
	parent int
	cpu    time.Duration // user and system time
}

func readStat(path string) (st stat, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return st, err
	}
	before, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	_, st.name, _ = strings.Cut(before, "(")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return st, fmt.Errorf("%s: %q has too few fields", path, text)
	}
	var numbers [3]int
	for i, field := range []string{fields[1], fields[11], fields[12]} {
		if numbers[i], err = strconv.Atoi(field); err != nil {
			return st, fmt.Errorf("%s: %w", path, err)
		}
	}
	st.parent, st.cpu = numbers[0], time.Duration(numbers[1]+numbers[2])*time.Second/userHZ
	return st, nil
}
