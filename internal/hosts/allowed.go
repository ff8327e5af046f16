// Package hosts tells requests that are meant for a listener from those that a web page of another site has a browser make.
package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Allowed are the hosts that a listener goes by.
//
// A page whose name is made to resolve to a listener's address (DNS rebinding) is, for its browser, of the same site as
// the listener. What gives it away is Host, which holds the page's name. So a listener on loopback goes by loopback names
// alone: localhost, 127.0.0.0/8 and ::1. On any other address it can't know its names, and goes by all of them until it is
// told some; from then on by these, its own, loopback names and all IP addresses, which no DNS answer stands behind.
type Allowed struct {
	loopback bool
	named    []string // normalized
	all      bool
}

// NewAllowed is for a listener on HOST:PORT, which goes by more names and IP addresses too. All are allowed with any port.
func NewAllowed(listen string, more []string) Allowed {
	own := normalize(hostOf(listen))
	a := Allowed{loopback: isLoopback(own), all: len(more) == 0, named: []string{own}}
	for _, host := range more {
		a.named = append(a.named, normalize(host))
	}
	return a
}

// Check is CheckHost and CheckOrigin.
func (a Allowed) Check(r *http.Request) error {
	if err := a.CheckHost(r); err != nil {
		return err
	}
	return a.CheckOrigin(r)
}

// CheckHost is an error, to be told to the sender, where the listener does not go by the request's Host (RFC 9110 §7.2).
// Only who is no browser may leave it out (HTTP/1.0).
func (a Allowed) CheckHost(r *http.Request) error {
	host := normalize(hostOf(r.Host))
	if host == "" || isLoopback(host) || slices.Contains(a.named, host) || !a.loopback && (a.all || isIP(host)) {
		return nil
	}
	return fmt.Errorf("the Host %.100q is not allowed: allowed_hosts may add it", hostOf(r.Host))
}

// CheckOrigin is an error, to be told to the sender, for a request that a browser makes for a page of another site: one
// whose Origin (RFC 6454 §7) is neither the request's own Host nor allowed, nor for a listener on loopback a loopback
// name. Who is no browser sends none.
func (a Allowed) CheckOrigin(r *http.Request) error {
	origins := r.Header.Values("Origin")
	for _, origin := range origins {
		if !a.allowsOrigin(origin, r.Host) {
			return fmt.Errorf("the request is made for a page of another site, %.100q: allowed_hosts may add its host", origin)
		}
	}
	// Fetch Metadata Request Headers §2.3; an allowed Origin of another site says cross-site too.
	if len(origins) == 0 && slices.Contains(r.Header.Values("Sec-Fetch-Site"), "cross-site") {
		return errors.New("the request is made for a page of another site (Sec-Fetch-Site: cross-site)")
	}
	return nil
}

func (a Allowed) allowsOrigin(given, host string) bool {
	origin, err := url.Parse(given)
	if err != nil || origin.Host == "" { // "null" is the origin of what has none
		return false
	}
	name := normalize(hostOf(origin.Host))
	return strings.EqualFold(origin.Host, host) || a.loopback && isLoopback(name) || slices.Contains(a.named, name)
}

// hostOf takes the port off, and the brackets of an IPv6 address.
func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(authority, "["), "]")
}

// normalize makes one text of all spellings of a host.
func normalize(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return host
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
