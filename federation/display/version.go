package display

import "regexp"

var semantic = regexp.MustCompile(`^v?([0-9]+)\.([0-9]+)\.`)

// VersionsFit reports whether two programs may be used together: their versions are of one major version and at most
// one minor version apart. One that is no semantic version, as of a build of a checkout, fits all.
func VersionsFit(a, b string) bool {
	x, y := semantic.FindStringSubmatch(a), semantic.FindStringSubmatch(b)
	if x == nil || y == nil {
		return true
	}
	return x[1] == y[1] && abs(number(x[2])-number(y[2])) <= 1
}

func number(digits string) (n int) {
	for _, d := range digits {
		n = 10*n + int(d-'0')
	}
	return n
}

func abs(n int) int { return max(n, -n) }
