package httpserver

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestNewConnectionIsAdmittedAsSoonAsThereIsRoom has one place, taken by a connection whose request is answered.
func TestNewConnectionIsAdmittedAsSoonAsThereIsRoom(t *testing.T) {
	for name, c := range map[string]struct {
		happens  func(*connections, *connection)
		after    time.Duration
		admitted bool
	}{
		"the answer was read":    {func(_ *connections, busy *connection) { busy.wait(forRequest) }, 0, true},
		"the other one closes":   {func(_ *connections, busy *connection) { _ = busy.Close() }, 0, true},
		"the answer is not read": {func(_ *connections, busy *connection) { busy.wait(forClient) }, clientPatience, true},
		"the server closes":      {func(all *connections, _ *connection) { all.closeIdle() }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := newConnections(nil, 1)
				busy, fresh := &connection{TCPConn: &net.TCPConn{}, among: all}, &connection{TCPConn: &net.TCPConn{}, among: all}
				require.True(t, all.admit(busy))
				busy.wait(forHandler)
				admitted := make(chan bool)
				go func() { admitted <- all.admit(fresh) }()
				time.Sleep(10*clientPatience + clientPatience/2)
				select {
				case <-admitted:
					t.Fatal("admitted beside one that is answered")
				default:
				}
				began := time.Now()
				c.happens(all, busy)
				require.Equal(t, c.admitted, <-admitted)
				require.Equal(t, c.after, time.Since(began))
			})
		})
	}
}
