// Pod is the program of the test's own pods: it is built without the C library, so it has Go's resolver.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `pod pause              does nothing until it is told to end
pod serve TEXT         answers HTTP on port 8080 with the text
pod get URL            prints the answer of an HTTP server
pod cat FILE           prints a file`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "pause" {
		waitForEnd()
		return nil
	}
	if len(args) != 2 {
		return fmt.Errorf("usage:\n%s", usage)
	}
	switch args[0] {
	case "serve":
		go waitAndExit()
		return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, args[1])
		}))
	case "get":
		return get(args[1])
	case "cat":
		text, err := os.ReadFile(args[1])
		fmt.Print(string(text))
		return err
	}
	return fmt.Errorf("usage:\n%s", usage)
}

// The first process of a pod ends with a signal only if it asks for it.
func waitForEnd() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}

func waitAndExit() {
	waitForEnd()
	os.Exit(0)
}

func get(url string) error {
	client := &http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(os.Stdout, res.Body)
	return err
}
