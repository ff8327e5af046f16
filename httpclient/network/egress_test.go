package network

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
)

func newGuard(t testing.TB, egress config.Egress) egressGuard {
	t.Helper()
	guard, err := newEgressGuard(egress)
	require.NoError(t, err)
	return guard
}

func TestEgressDeniesLinkLocalAddressesAndMetadataServices(t *testing.T) {
	guard := newGuard(t, config.Egress{})
	for _, address := range []string{
		"169.254.169.254", "169.254.0.1", "169.254.170.2", "fe80::1", "fe80::1%eth0", "febf::1",
		"100.100.100.200", "168.63.129.16", "192.0.0.192",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200",
	} {
		require.NotNil(t, guard.check("receiver.example", netip.MustParseAddr(address)), address)
	}
	for _, address := range []string{
		"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "fc00::1", "8.8.8.8", "2606:4700::1111",
		"0.0.0.0", "::", "169.253.255.255", "169.255.0.0", "fec0::1", "64:ff9b::808:808", "2002:808:808::1",
	} {
		require.Nil(t, guard.check("receiver.example", netip.MustParseAddr(address)), address)
	}
}

func TestEgressKnowsTheAddressWithinAnAddress(t *testing.T) {
	guard := newGuard(t, config.Egress{})
	for name, address := range map[string]string{
		"mapped":                "::ffff:169.254.169.254",
		"compatible":            "::169.254.169.254",
		"translated":            "::ffff:0:169.254.169.254",
		"NAT64":                 "64:ff9b::a9fe:a9fe",
		"local NAT64 /48":       "64:ff9b:1:a9fe:a9:fe00::",
		"local NAT64 /56":       "64:ff9b:1:12a9:fe:a9fe::",
		"local NAT64 /64":       "64:ff9b:1:1234:a9:fea9:fe00:0",
		"local NAT64 /96":       "64:ff9b:1:1234::a9fe:a9fe",
		"6to4":                  "2002:a9fe:a9fe::1",
		"Teredo client":         "2001:0:808:808::5601:5601",
		"Teredo server":         "2001:0:a9fe:a9fe::f7f7:f7f7",
		"ISATAP":                "2001:db8::5efe:a9fe:a9fe",
		"ISATAP, universal bit": "2001:db8::200:5efe:a9fe:a9fe",
	} {
		t.Run(name, func(t *testing.T) {
			denied := guard.check("receiver.example", netip.MustParseAddr(address))

			require.NotNil(t, denied)
			require.Equal(t, netip.MustParseAddr("169.254.169.254"), denied.Meant)
		})
	}
}

func TestEgressAllowGoesBeforeDeny(t *testing.T) {
	list := newGuard(t, config.Egress{
		Deny:  []string{"0.0.0.0/0", "::/0"},
		Allow: []string{"10.1.0.0/16", "::1/128", "169.254.7.0/24", "::ffff:192.0.2.0/120"},
	})
	for address, permitted := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "::1": true, "169.254.7.1": true, "192.0.2.9": true,
		"10.2.0.1": false, "8.8.8.8": false, "::2": false, "169.254.169.254": false, "192.0.3.9": false,
		"64:ff9b::a01:203": false, // the translator's address itself is not allowed
	} {
		require.Equal(t, permitted, list.check("receiver.example", netip.MustParseAddr(address)) == nil, address)
	}
}

func TestEgressTakesNobodysAddressForThisHosts(t *testing.T) {
	guard := newGuard(t, config.Egress{Deny: []string{"127.0.0.0/8"}})

	require.NotNil(t, guard.check("0.0.0.0", netip.MustParseAddr("0.0.0.0")))
	require.NotNil(t, guard.check("::", netip.MustParseAddr("::")))
}

func TestEgressErrorSaysWhatIsDeniedAndWhy(t *testing.T) {
	guard := newGuard(t, config.Egress{Deny: []string{"10.0.0.0/8"}})
	for text, dialled := range map[string][2]string{
		"egress: 169.254.169.254 (of metadata.example) is a link-local address, which egress.allow does not hold":                                     {"metadata.example", "169.254.169.254"},
		"egress: fd00:ec2::254 is the address of a cloud's metadata service, which egress.allow does not hold":                                        {"fd00:ec2::254", "fd00:ec2::254"},
		"egress: 10.0.0.1 (of receiver.example) is an address of 10.0.0.0/8 in egress.deny, which egress.allow does not hold":                         {"receiver.example", "10.0.0.1"},
		"egress: 64:ff9b::a00:1 (of receiver.example) stands for 10.0.0.1, an address of 10.0.0.0/8 in egress.deny, which egress.allow does not hold": {"receiver.example", "64:ff9b::a00:1"},
	} {
		require.EqualError(t, guard.check(dialled[0], netip.MustParseAddr(dialled[1])), text)
	}
}

func TestEgressRangeThatIsNoneIsAProblemOfItsKey(t *testing.T) {
	_, err := newEgressGuard(config.Egress{Allow: []string{"10.0.0.0/8", "10.0.0.1"}, Deny: []string{"everything"}})

	const problem = "is no range of addresses: write it as 10.0.0.0/8, and one address as 10.0.0.1/32"
	require.EqualError(t, err, "egress.allow[1]: "+problem+"\negress.deny[0]: "+problem)
	require.ErrorAs(t, err, new(*config.KeyError))
}

// FuzzEgress embeds a denied IPv4 address in every form that the guard has to see through.
func FuzzEgress(f *testing.F) {
	f.Add(uint8(0), uint16(0xa9fe), []byte("0123456789abcdef"))
	f.Add(uint8(9), uint16(0), []byte{})
	guard := newGuard(f, config.Egress{})
	f.Fuzz(func(t *testing.T, embedding uint8, host uint16, filler []byte) {
		ipv4 := [4]byte{169, 254, byte(host >> 8), byte(host)}
		var address [16]byte
		copy(address[:], filler)
		embeddings[int(embedding)%len(embeddings)](&address, ipv4)

		require.NotNil(t, guard.check("", netip.AddrFrom16(address)), "%v", netip.AddrFrom16(address))
	})
}

var embeddings = []func(address *[16]byte, ipv4 [4]byte){
	func(a *[16]byte, ipv4 [4]byte) { *a = netip.AddrFrom4(ipv4).As16() },
	func(a *[16]byte, ipv4 [4]byte) { *a = [16]byte{}; copy(a[12:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) { *a = [16]byte{8: 0xff, 9: 0xff}; copy(a[12:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) { *a = [16]byte{1: 0x64, 2: 0xff, 3: 0x9b}; copy(a[12:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) {
		localPrefix(a)
		copy(a[6:8], ipv4[:2])
		a[8] = 0
		copy(a[9:], ipv4[2:])
	},
	func(a *[16]byte, ipv4 [4]byte) { localPrefix(a); a[7] = ipv4[0]; a[8] = 0; copy(a[9:], ipv4[1:]) },
	func(a *[16]byte, ipv4 [4]byte) { localPrefix(a); a[8] = 0; copy(a[9:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) { localPrefix(a); copy(a[12:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) { a[0], a[1] = 0x20, 0x02; copy(a[2:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) {
		copy(a[:], []byte{0x20, 0x01, 0, 0})
		for i, b := range ipv4 {
			a[12+i] = b ^ 0xff
		}
	},
	func(a *[16]byte, ipv4 [4]byte) { copy(a[8:], []byte{0, 0, 0x5e, 0xfe}); copy(a[12:], ipv4[:]) },
	func(a *[16]byte, ipv4 [4]byte) { copy(a[8:], []byte{2, 0, 0x5e, 0xfe}); copy(a[12:], ipv4[:]) },
}

func localPrefix(address *[16]byte) {
	copy(address[:], []byte{0, 0x64, 0xff, 0x9b, 0, 1})
}
