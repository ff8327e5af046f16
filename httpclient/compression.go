package httpclient

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/fluxmq/webhookd/config"
)

// minCompressBytes is the smallest body that is compressed: a smaller one fits a network packet as it is.
const minCompressBytes = 1 << 10

// compressor compresses the bodies of requests as an endpoint's compression says.
type compressor config.Compression

// compress returns the body as it is sent, and puts its Content-Encoding into the header. A body of less than 1 KiB, and
// one that gzip makes no smaller, is returned as it is. The same body always gives the same bytes.
func (c compressor) compress(header http.Header, body []byte) []byte {
	if config.Compression(c) != config.CompressionGzip || len(body) < minCompressBytes {
		return body
	}
	compressed := gzipped(body)
	if len(compressed) >= len(body) {
		return body
	}
	header["Content-Encoding"] = []string{"gzip"}
	return compressed
}

// gzipper is a writer with its memory, a megabyte or so, and where it writes to.
type gzipper struct {
	writer *gzip.Writer
	output bytes.Buffer
}

// gzippers are shared by all endpoints, because an endpoint that is idle shall cost next to nothing.
var gzippers = sync.Pool{New: func() any {
	writer, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level exists
	return &gzipper{writer: writer}
}}

// gzipped returns bytes of their own: a transport may still read a body after its request has failed.
func gzipped(body []byte) []byte {
	g := gzippers.Get().(*gzipper)
	defer gzippers.Put(g)
	g.output.Reset()
	g.writer.Reset(&g.output)
	_, _ = g.writer.Write(body) // a buffer takes everything
	_ = g.writer.Close()
	return bytes.Clone(g.output.Bytes())
}
