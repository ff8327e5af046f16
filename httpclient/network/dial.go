package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// DialFunc is what http.Transport.DialContext is.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dialer makes connections to addresses that egress permits. It checks the address that is dialled, when it is dialled:
// what a name meant a moment ago says nothing. A connection that is used again was checked when it was made. Its fields may
// be set before the first request, so that tests have a network of their own.
type Dialer struct {
	Resolver *net.Resolver // nil: the system's
	Instead  DialFunc      // of dialling, unguarded; nil: a socket is dialled

	guard   egressGuard
	timeout time.Duration
}

var errPermittedFailed = errors.New("no address of the host that egress permits can be reached")

// dial fails with a DeniedError where the host has only addresses that are denied.
func (d *Dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.Instead != nil {
		return d.Instead(ctx, network, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var permitted atomic.Bool
	dialer := net.Dialer{Timeout: d.timeout, Resolver: d.Resolver}
	dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		dialled, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("egress: %w", err)
		}
		if denied := d.guard.check(host, dialled.Addr()); denied != nil {
			return denied
		}
		permitted.Store(true)
		return nil
	}
	conn, err := dialer.DialContext(ctx, network, address)
	var denied *DeniedError
	switch {
	case !errors.As(err, &denied):
		return conn, err
	case permitted.Load(): // the net package tells of its first failure only
		return nil, &net.OpError{Op: "dial", Net: network, Err: errPermittedFailed}
	}
	return nil, denied
}
