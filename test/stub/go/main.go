// Command go is the lookup program for Go's own resolver: it is compiled with
// CGO_ENABLED=0, so that there is no other in it. It prints each address in a
// line, or "error" and how the lookup failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

func main() {
	network, ok := map[string]string{"any": "ip", "ipv4": "ip4", "ipv6": "ip6"}[arg(1)]
	if !ok || len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lookup any|ipv4|ipv6 NAME")
		os.Exit(2)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(context.Background(), network, os.Args[2])
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
