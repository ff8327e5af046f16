package httpclient

import (
	"bytes"
	"io"
	"net/http"
)

// resendMethods make net/http send a request a second time by itself when its connection breaks, if it can get the body
// again (RFC 9110 §9.2.2).
var resendMethods = map[string]bool{http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true}

// setBody gives the request its body, which net/http can't get a second time, so that it sends no request again by itself.
// Only one whose body is empty goes out once more when an HTTP/2 server says that it looked at nothing of it.
func setBody(request *http.Request, body []byte) {
	request.ContentLength = int64(len(body))
	request.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 && !resendMethods[request.Method] {
		request.Body = http.NoBody // says "Content-Length: 0", in place of a body of no chunks
	}
}
