//go:build !unix

package network

import (
	"errors"
	"net"
)

// isReset can't know.
func isReset(net.Conn) (bool, error) { return false, errors.ErrUnsupported }
