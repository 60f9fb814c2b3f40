package node

// What the test of the ends needs of the package.
const (
	EnvDir       = envDir
	CgroupPrefix = cgroupPrefix
)

var Sweep = sweep
