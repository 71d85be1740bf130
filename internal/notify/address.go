package notify

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// ErrAddress means that messages may not go to an address. Its texts never contain the address itself, which may be a
// secret (a Slack webhook's address is its password).
var ErrAddress = errors.New("address not allowed")

// CheckWebhookURL tells what is wrong with the address of a webhook: it must be https, or http on loopback only. An
// address given as a number must also be one that [CheckIP] allows.
func CheckWebhookURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil { // the error would quote the address
		return fmt.Errorf("%w: not a valid URL", ErrAddress)
	}
	loopback := IsLoopbackHost(u.Hostname())
	switch {
	case u.Hostname() == "":
		return fmt.Errorf("%w: no host", ErrAddress)
	case u.Scheme == "http" && !loopback:
		return fmt.Errorf("%w: http is for loopback only, use https", ErrAddress)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the scheme must be https", ErrAddress)
	case u.User != nil:
		return fmt.Errorf("%w: user and password in the address are not supported", ErrAddress)
	case u.Fragment != "":
		return fmt.Errorf("%w: a fragment (#) has no meaning here", ErrAddress)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return CheckIP(ip, loopback)
	}
	return nil
}

// IsLoopbackHost tells whether a URL's host is this machine by name or number.
func IsLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// CheckIP refuses addresses that no webhook has: link-local ones, which include the metadata service of clouds,
// multicast, broadcast, unspecified ones. Private networks are allowed, since a receiver inside a company or VPC is
// normal and addresses come from the operator only. With loopback true exactly the loopback addresses are allowed, so that
// a name cannot be made to lead elsewhere, nor another name to lead here.
func CheckIP(ip netip.Addr, loopback bool) error {
	ip = embedded(ip.WithZone("").Unmap())
	if loopback {
		if ip.IsLoopback() {
			return nil
		}
		return fmt.Errorf("%w: not a loopback address", ErrAddress)
	}
	switch {
	case ip.IsLoopback():
		return fmt.Errorf("%w: loopback", ErrAddress)
	case ip.IsLinkLocalUnicast(), metadata[ip]:
		return fmt.Errorf("%w: link-local or metadata service", ErrAddress)
	case ip.IsMulticast():
		return fmt.Errorf("%w: multicast", ErrAddress)
	case !ip.IsValid(), ip.IsUnspecified(), thisNetwork.Contains(ip), ip == broadcast:
		return fmt.Errorf("%w: unspecified or broadcast", ErrAddress)
	}
	return nil
}

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	broadcast   = netip.MustParseAddr("255.255.255.255")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour   = netip.MustParsePrefix("2002::/16")
	// metadata are the metadata services outside the link-local range: AWS by IPv6.
	metadata = map[netip.Addr]bool{netip.MustParseAddr("fd00:ec2::254"): true}
)

// embedded is the IPv4 address that an IPv6 address leads to through a translator, else ip itself.
func embedded(ip netip.Addr) netip.Addr {
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}
