package mqttbroker

import (
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// admitSession takes room for the session of a client whose login is right. Where there is none it refuses the login.
func (q *quotas) admitSession(cl *mqtt.Client, pk *packets.Packet) bool {
	conn := connOf(cl)
	if conn == nil {
		return true
	}
	cl.Properties.Props.User = nil // which nobody asks for
	if q.holdings.begin(cl.ID, conn, sessionBytes+2*int64(pk.FixedHeader.Remaining), cl.Properties.Clean) {
		conn.clientID = cl.ID
		return true
	}
	q.refused(reasonSession)
	reason := packets.ErrServerUnavailable // MQTT 3.1.1 §3.2.2.3
	if cl.Properties.ProtocolVersion == 5 {
		reason = packets.ErrQuotaExceeded
	}
	_ = q.server.SendConnack(cl, reason, false, nil) // the client may be gone
	cl.Stop(packets.ErrQuotaExceeded)
	return false
}

func (q *quotas) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	if conn := connOf(cl); conn != nil {
		conn.loggedIn()
	}
}

func (q *quotas) OnClientExpired(cl *mqtt.Client) {
	if conn := connOf(cl); conn != nil {
		q.holdings.disconnected(cl.ID, conn, false)
	}
}

// end ends a session that has no connection, as its expiry would.
func (q *quotas) end(id string) {
	client, ok := q.server.Clients.Get(id)
	if !ok {
		return
	}
	q.server.UnsubscribeClient(client)
	client.ClearInflights()
	q.sessions.OnClientExpired(client)
	q.hook.OnClientExpired(client)
	q.server.Clients.Delete(id)
}

// disconnected is told when mochi has done with a connection.
func (q *quotas) disconnected(conn *clientConn) {
	q.endReplay(conn)
	q.endPublish(conn)
	if conn.clientID == "" {
		return
	}
	client, known := q.server.Clients.Get(conn.clientID)
	q.holdings.disconnected(conn.clientID, conn, known && connOf(client) == conn)
}
