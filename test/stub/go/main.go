// Command go is the lookup program for Go's own resolver: it is compiled with
// CGO_ENABLED=0, so that there is no other in it. It prints each address in a
// line, or "error" and how the lookup failed. With a pause, in milliseconds, it
// goes on asking, and ends each answer with an empty line.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

func main() {
	network, ok := map[string]string{"any": "ip", "ipv4": "ip4", "ipv6": "ip6"}[arg(1)]
	pause, err := strconv.Atoi(arg(3))
	if !ok || len(os.Args) < 3 || len(os.Args) > 4 || len(os.Args) == 4 && err != nil {
		fmt.Fprintln(os.Stderr, "usage: lookup any|ipv4|ipv6 NAME [PAUSE]")
		os.Exit(2)
	}
	lookup(network, os.Args[2])
	for len(os.Args) == 4 {
		if _, err := fmt.Println(); err != nil {
			os.Exit(1) // nobody reads it any more
		}
		time.Sleep(time.Duration(pause) * time.Millisecond)
		lookup(network, os.Args[2])
	}
}

func lookup(network, name string) {
	addrs, err := net.DefaultResolver.LookupNetIP(context.Background(), network, name)
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		fmt.Println("error no such host")
	case errors.As(err, &failed) && failed.IsTemporary:
		fmt.Println("error " + failed.Err + ", temporary")
	case err != nil:
		fmt.Println("error", err)
	}
	for _, a := range addrs {
		fmt.Println(a.Unmap())
	}
}

func arg(i int) string {
	if i < len(os.Args) {
		return os.Args[i]
	}
	return ""
}
