package network

import (
	"net/netip"
	"slices"
)

var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291 §2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765 §2.1
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052 §2.1
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056 §2
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380 §4
)

// meanings are the addresses at which a connection to this one may end: itself, which comes first, and each IPv4 address
// that it carries for a translator or a tunnel. Translators with a prefix of their network's own can't be known.
func meanings(address netip.Addr) []netip.Addr {
	address = address.Unmap()
	all := []netip.Addr{address}
	if address.IsUnspecified() { // dialled, it is this host
		return append(all, netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	if address.Is4() || address.IsLoopback() {
		return all
	}
	bytes, unzoned := address.As16(), address.WithZone("")
	embedded := func(positions ...int) {
		var ipv4 [4]byte
		for i, position := range positions {
			ipv4[i] = bytes[position]
		}
		all = append(all, netip.AddrFrom4(ipv4))
	}
	switch {
	case compatible.Contains(unzoned), translated.Contains(unzoned), nat64.Contains(unzoned):
		embedded(12, 13, 14, 15)
	case localNAT64.Contains(unzoned): // a prefix of any length within it: RFC 6052 §2.2, whose octet 8 is skipped
		embedded(6, 7, 9, 10)
		embedded(7, 9, 10, 11)
		embedded(9, 10, 11, 12)
		embedded(12, 13, 14, 15)
	case sixToFour.Contains(unzoned):
		embedded(2, 3, 4, 5)
	case teredo.Contains(unzoned): // the server's, and the client's with every bit inverted
		embedded(4, 5, 6, 7)
		for i := range bytes {
			bytes[i] = ^bytes[i]
		}
		embedded(12, 13, 14, 15)
		return all
	}
	if isISATAP(bytes) {
		embedded(12, 13, 14, 15)
	}
	return all
}

// isISATAP tells whether the interface identifier carries an IPv4 address: RFC 5214 §6.1.
func isISATAP(address [16]byte) bool {
	return address[8]&^0x02 == 0 && slices.Equal(address[9:12], []byte{0x00, 0x5e, 0xfe})
}
