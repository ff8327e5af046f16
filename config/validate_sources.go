package config

import (
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

func (f *findings) checkSources(s Sources) {
	if s.MQTTBroker != nil {
		f.checkMQTTBroker("sources.mqtt_broker", *s.MQTTBroker)
	}
	if s.Ingest != nil {
		f.checkIngest("sources.ingest", *s.Ingest)
	}
}

func (f *findings) checkIngest(path string, i Ingest) {
	f.checkAddress(path+".listen", i.Listen)
	if host, _, err := net.SplitHostPort(i.Listen); err == nil && !isLoopback(host) && i.Token == "" {
		f.report(path+".token", "is required, because others than this host reach %s", quote(i.Listen))
	}
	checkRange(f, path+".max_body_bytes", i.MaxBodyBytes, 1<<10, 1<<30, false)
	f.checkHosts(path+".allowed_hosts", i.AllowedHosts)
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,253}$`)

// checkAddress checks HOST:PORT to listen on; an empty host is every address of this host, port 0 any free one.
func (f *findings) checkAddress(path, address string) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if _, ipErr := netip.ParseAddr(host); err != nil || ipErr != nil && !hostName.MatchString(host) {
		f.report(path, "is %s, not HOST:PORT with a port from 0 to 65535", quote(address))
	}
}

// checkHosts checks the hosts that a listener goes by, which it does with any port.
func (f *findings) checkHosts(path string, hosts []string) {
	for i, host := range hosts {
		if _, err := netip.ParseAddr(host); err != nil && (host == "" || !hostName.MatchString(host)) {
			f.report(joinIndex(path, i), "is %s, not the name or the IP address of a host, without a port", quote(host))
		}
	}
}

// isLoopback tells whether only this host reaches a listener on the host.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(host, "localhost")
	}
	return ip.Unmap().IsLoopback()
}
