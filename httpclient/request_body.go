package httpclient

import (
	"bytes"
	"io"
	"net/http"
)

// resendMethods make net/http send a request a second time by itself when its connection breaks, if it can get the body
// again (RFC 9110 §9.2.2).
var resendMethods = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true}

// setBody gives the request its body, which net/http sends once and no more, unless an HTTP/2 server says that it looked at
// nothing of it (RFC 9113 §8.7).
func setBody(request *http.Request, body []byte) {
	request.ContentLength = int64(len(body))
	request.Body = io.NopCloser(bytes.NewReader(body))
	if resendMethods[request.Method] {
		return
	}
	if len(body) == 0 {
		request.Body = http.NoBody // says "Content-Length: 0", in place of a body of no chunks
	}
	// net/http asks for it where an idle connection turns out to be closed before a byte was written.
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}
