package netns

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AddAddress gives the loopback device an address, for a program that listens
// only on those that a device has (AddLocal is enough for all others). Adding
// it again is no error. As long as the device has an address of one family
// only, glibc's AI_ADDRCONFIG hides the other: give it both.
func AddAddress(addr netip.Addr) error {
	return changeAddress(addr, netlink.AddrReplace)
}

// RemoveAddress takes it away. One that is not there is no error.
func RemoveAddress(addr netip.Addr) error {
	err := changeAddress(addr, netlink.AddrDel)
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

func changeAddress(addr netip.Addr, change func(netlink.Link, *netlink.Addr) error) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	dst, err := netlink.ParseIPNet(netip.PrefixFrom(addr, addr.BitLen()).String())
	if err != nil {
		return err
	}
	a := &netlink.Addr{IPNet: dst}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD // usable at once
	}
	if err := change(lo, a); err != nil {
		return fmt.Errorf("address %s of lo: %w", addr, err)
	}
	return nil
}
