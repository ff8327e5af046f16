//go:build unix

package network

import (
	"errors"
	"net"
	"syscall"
)

// isReset tells whether a connection was reset of which only the end could be read. It fails where that can't be known.
func isReset(of net.Conn) (bool, error) {
	socket, ok := of.(syscall.Conn)
	if !ok {
		return false, errors.ErrUnsupported
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, err
	}
	var pending int
	var optionErr error
	err = raw.Control(func(descriptor uintptr) {
		pending, optionErr = syscall.GetsockoptInt(int(descriptor), syscall.SOL_SOCKET, syscall.SO_ERROR)
	})
	return pending != 0, errors.Join(err, optionErr)
}
