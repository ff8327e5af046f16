package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

var proxySchemes = []string{"http", "https", "socks5"}

func (f *findings) checkTLS(path string, t TLS) {
	f.checkPath(path+".ca_file", t.CAFile)
	f.checkPath(path+".cert_file", t.CertFile)
	f.checkPath(path+".key_file", t.KeyFile)
	if _, err := netip.ParseAddr(t.ServerName); err != nil && !hostName.MatchString(t.ServerName) {
		f.report(path+".server_name", "is %s, which is no name of a host: write it without a scheme and a port", quote(t.ServerName))
	}
	if t.MinVersion != "" {
		f.checkChoice(path+".min_version", t.MinVersion, "1.2", "1.3")
	}
}

// checkProxy shows no part of the proxy, which may have a password in it. It takes what a dump, which Parse reads, has
// in its place.
func (f *findings) checkProxy(path, text string) {
	if text == "" || text == ProxyDirect || text == redacted {
		return
	}
	address, err := url.Parse(text)
	switch {
	case len(text) > maxURLBytes:
		f.report(path, "has %d bytes, and at most %d are allowed", len(text), maxURLBytes)
	case err != nil || !slices.Contains(proxySchemes, address.Scheme) || address.Hostname() == "" || !validPort(address):
		f.report(path, "is neither %s nor a URL as http://HOST:PORT, https://HOST:PORT or socks5://USER:PASSWORD@HOST:PORT", ProxyDirect)
	case strings.Trim(address.Path, "/") != "" || strings.ContainsAny(text, "?#"):
		f.report(path, "has more than a user, a host and a port, which is all that a proxy has")
	}
}

func (f *findings) checkPrefixes(path string, prefixes []string) {
	f.checkCount(path, len(prefixes), maxListItems)
	for i, text := range prefixes {
		if problem := prefixProblem(text); problem != "" {
			f.report(joinIndex(path, i), "is %s, %s", quote(text), problem)
		}
	}
}

// prefixProblem is the end of "is TEXT, "; "" for a prefix that means what it says.
func prefixProblem(text string) string {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap().WithZone("")
		return "an address without the length of its prefix: write " + netip.PrefixFrom(ip, ip.BitLen()).String()
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "which is no range of addresses, as 10.0.0.0/8 or fd00::/8"
	case prefix != prefix.Masked():
		return "which has bits beyond its prefix: write " + prefix.Masked().String()
	case prefix.Addr().Is4In6() && prefix.Bits() >= 96:
		return "which is a range of IPv4: write " + netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96).String()
	}
	return ""
}
