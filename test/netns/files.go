package netns

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// filesEnv tells the copies of the program how many files they have inherited.
const filesEnv = "FEDERATION_DNS_NETNS_FILES"

// firstFile is the descriptor of the first of exec.Cmd's ExtraFiles.
const firstFile = 3

// passFiles has the command inherit the files.
func passFiles(cmd *exec.Cmd, files []*os.File) {
	cmd.ExtraFiles = files
	cmd.Env = append(cmd.Env, filesEnv+"="+strconv.Itoa(len(files)))
}

// Files returns Options.Files, inside. Programs that are started inside do not inherit them. Call it once.
func Files() (files []*os.File) {
	n, _ := strconv.Atoi(os.Getenv(filesEnv)) // set by us, or not at all
	for fd := firstFile; fd < firstFile+n; fd++ {
		unix.CloseOnExec(fd)
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("file %d from outside", fd-firstFile)))
	}
	return files
}
