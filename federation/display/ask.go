package display

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Ask asks the question and reads a line. It returns nil after a yes, and an error after everything
// else, the end of the input too.
func Ask(in io.Reader, out io.Writer, question string) error {
	fmt.Fprintf(out, "\n%s [y/N] ", question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed: nothing was changed")
}
