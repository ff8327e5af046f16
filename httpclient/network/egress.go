package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/fluxmq/webhookd/config"
)

// DeniedError is that an address may not be dialled. It is about an endpoint, its proxy or its token server.
type DeniedError struct {
	Host    string     // that has the address
	Address netip.Addr // that was to be dialled
	Meant   netip.Addr // that it stands for: itself, or an IPv4 address within it
	Reason  string     // what Meant is
}

// Error names the address, the host and the reason.
func (e *DeniedError) Error() string {
	text := "egress: " + e.Address.String()
	if e.Host != e.Address.String() {
		text += " (of " + e.Host + ")"
	}
	if e.Meant == e.Address {
		text += " is "
	} else {
		text += " stands for " + e.Meant.String() + ", "
	}
	return text + e.Reason + ", which egress.allow does not hold"
}

// deniedByDefault is what no webhook is meant for: what answers there gives its secrets to whoever asks.
var deniedByDefault = []deniedRange{
	denied("169.254.0.0/16", linkLocal),             // RFC 3927; most clouds' metadata services are in it
	denied("fe80::/10", linkLocal),                  // RFC 4291 §2.5.6
	denied("100.100.100.200/32", cloudMetadata),     // Alibaba Cloud
	denied("168.63.129.16/32", cloudMetadata),       // Azure's WireServer
	denied("192.0.0.192/32", cloudMetadata),         // Oracle Cloud Classic
	denied("fd00:ec2::/32", cloudMetadata),          // AWS: instance metadata, credentials of EKS pods
	denied("fd20:ce::254/128", cloudMetadata),       // Google Cloud
	denied("fd00:c1::a9fe:a9fe/128", cloudMetadata), // Oracle Cloud
	denied("fd00:42::42/128", cloudMetadata),        // Scaleway
	denied("fd00:a9fe:a9fe::1/128", cloudMetadata),  // Akamai
	denied("fd00:100::100:200/128", cloudMetadata),  // Alibaba Cloud
}

const (
	linkLocal     = "a link-local address"
	cloudMetadata = "the address of a cloud's metadata service"
)

type deniedRange struct {
	prefix netip.Prefix
	reason string
}

func denied(prefix, reason string) deniedRange {
	return deniedRange{netip.MustParsePrefix(prefix), reason}
}

// egressGuard says which addresses may be dialled: what allow holds, and else what neither deny nor deniedByDefault does.
type egressGuard struct {
	allow []netip.Prefix
	deny  []deniedRange
}

func newEgressGuard(egress config.Egress) (egressGuard, error) {
	allow, allowErr := parsePrefixes("egress.allow", egress.Allow)
	deny, denyErr := parsePrefixes("egress.deny", egress.Deny)
	guard := egressGuard{allow: allow}
	for _, prefix := range deny {
		guard.deny = append(guard.deny, deniedRange{prefix, fmt.Sprintf("an address of %s in egress.deny", prefix)})
	}
	return guard, errors.Join(allowErr, denyErr)
}

func parsePrefixes(key string, texts []string) (prefixes []netip.Prefix, err error) {
	for i, text := range texts {
		prefix, parseErr := netip.ParsePrefix(text)
		if parseErr != nil {
			err = errors.Join(err, &config.KeyError{
				Key: key + "[" + strconv.Itoa(i) + "]",
				Err: errors.New("is no range of addresses: write it as 10.0.0.0/8, and one address as 10.0.0.1/32"),
			})
			continue
		}
		prefixes = append(prefixes, unmapPrefix(prefix))
	}
	return prefixes, err
}

// unmapPrefix is the range of IPv4 addresses that a range of IPv4-mapped ones means.
func unmapPrefix(prefix netip.Prefix) netip.Prefix {
	if address := prefix.Addr(); address.Is4In6() && prefix.Bits() >= 96 {
		return netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	return prefix
}

// check is nil where the address may be dialled: where neither it nor any IPv4 address that it stands for is denied.
func (g egressGuard) check(host string, address netip.Addr) *DeniedError {
	for _, meant := range meanings(address) {
		if reason, denied := g.denies(meant); denied {
			return &DeniedError{Host: host, Address: address, Meant: meant, Reason: reason}
		}
	}
	return nil
}

func (g egressGuard) denies(address netip.Addr) (reason string, denied bool) {
	address = address.WithZone("") // with one it is in no prefix
	for _, prefix := range g.allow {
		if prefix.Contains(address) {
			return "", false
		}
	}
	for _, list := range [][]deniedRange{g.deny, deniedByDefault} {
		for _, deny := range list {
			if deny.prefix.Contains(address) {
				return deny.reason, true
			}
		}
	}
	return "", false
}
