package network

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// ShortageError is that this machine lacks what a request takes. The endpoint has no part in it.
type ShortageError struct {
	of  shortage
	err error
}

// Error says what is lacking.
func (e *ShortageError) Error() string { return e.of.text + ": " + e.err.Error() }

// Unwrap is what failed.
func (e *ShortageError) Unwrap() error { return e.err }

type shortage struct {
	errno        syscall.Errno
	text, advice string
}

const noMemory, moreMemory = "this machine has no memory left for a connection", "give this machine, or this program's control " +
	"group, more memory, raise net.ipv4.tcp_mem, or lower workers"

var shortages = []shortage{
	{syscall.EMFILE, "this process may open no more files", "raise the number of files that this program may open (ulimit -n, " +
		"LimitNOFILE of systemd, --ulimit nofile of docker), or lower workers and the number of clients"},
	{syscall.ENFILE, "this machine can open no more files", "raise fs.file-max of this machine, or find who opens so many files"},
	{syscall.EADDRNOTAVAIL, "this machine has no port left for a connection to that address", "widen " +
		"net.ipv4.ip_local_port_range of this machine, or find who makes so many connections: an endpoint that closes them after " +
		"each answer costs a port for a minute"},
	{syscall.ENOBUFS, noMemory, moreMemory},
	{syscall.ENOMEM, noMemory, moreMemory},
}

// shortageError is err as a ShortageError, or nil where it is none.
func shortageError(err error) *ShortageError {
	for _, lack := range shortages {
		if isShortage(err, lack.errno) {
			return &ShortageError{lack, shorten(err)}
		}
	}
	var unresolved *net.DNSError
	if !errors.As(err, &unresolved) {
		return nil
	}
	// A resolver may take what it could not open for what is not there.
	file, probeErr := os.Open(os.DevNull)
	if probeErr == nil {
		_ = file.Close()
		return nil
	}
	return shortageError(probeErr)
}

func isShortage(err error, errno syscall.Errno) bool {
	var unresolved *net.DNSError
	if errors.As(err, &unresolved) {
		return strings.Contains(unresolved.Err, errno.Error()) // it keeps no more of its cause
	}
	return errors.Is(err, errno) && (errno != syscall.EADDRNOTAVAIL || hasSourceFor(dialled(err)))
}

// dialled is the address that could not be dialled, nil where the error does not know.
func dialled(err error) *net.TCPAddr {
	var address *net.TCPAddr
	for operation := new(net.OpError); errors.As(err, &operation); err = operation.Err {
		if tcp, ok := operation.Addr.(*net.TCPAddr); ok {
			address = tcp
		}
	}
	return address
}

// hasSourceFor tells whether this machine has an address from which the other one can be reached. Linux answers as though
// it had no port left where it has not, as for ::1 without IPv6. A UDP socket sends nothing when it is connected.
func hasSourceFor(address *net.TCPAddr) bool {
	if address == nil {
		return true
	}
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: address.IP, Port: address.Port, Zone: address.Zone})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
