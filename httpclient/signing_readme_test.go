package httpclient

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// The receivers around the README's code answer 2xx to what it takes, print where they listen, and end with their
// standard input.
const (
	goReceiver = `package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	handler, err := verified(os.Args[1], func(string, []byte) {})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go http.Serve(listener, handler)
	io.Copy(io.Discard, os.Stdin)
}

`
	pythonReceiver = `
import http.server, sys, threading

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204 if verified(sys.argv[1], self.headers, body) else 401)
        self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
sys.stdin.read()
`
)

func TestGoOfTheReadmeVerifiesSignatures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "receiver")
	require.NoError(t, os.WriteFile(source, []byte(goReceiver+readmeCode(t, "go")), 0o600))
	output, err := exec.Command("go", "build", "-o", program, source).CombinedOutput()
	require.NoError(t, err, string(output))
	requireVerifies(t, exec.Command(program, vectorSecret))
}

func TestPythonOfTheReadmeVerifiesSignatures(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	source := filepath.Join(t.TempDir(), "receiver.py")
	require.NoError(t, os.WriteFile(source, []byte(readmeCode(t, "python")+pythonReceiver), 0o600))
	requireVerifies(t, exec.Command(python, source, vectorSecret))
}

// readmeCode is the block of that language in the README's section on signatures.
func readmeCode(t *testing.T, language string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(readme), "\n## Verify a signature\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(section)
	require.NotNil(t, block)
	return block[1]
}

// requireVerifies runs a receiver that knows vectorSecret, which has to take what is signed with it, and nothing else.
func requireVerifies(t *testing.T, receiver *exec.Cmd) {
	t.Helper()
	url := startReceiver(t, receiver)
	other := newSecret(32, 'o')
	for name, c := range map[string]struct {
		secrets []config.Secret
		takes   bool
	}{
		"signed":                     {[]config.Secret{vectorSecret}, true},
		"signed with the other too":  {[]config.Secret{other, vectorSecret}, true},
		"signed with the other only": {[]config.Secret{other}, false},
		"not signed":                 {nil, false},
	} {
		outcome := newClient(t, signedEndpoint(url, c.secrets...)).sendEvent(t.Context(), newEvent(t, 2000))
		require.Equal(t, c.takes, outcome.Kind == messages.OutcomeDelivered, "%s: %v", name, outcome)
		require.True(t, c.takes || outcome.Status == http.StatusUnauthorized, "%s: %v", name, outcome)
	}

	now := time.Now()
	require.Equal(t, http.StatusUnauthorized, postSigned(t, url, now.Add(-6*time.Minute), ""))
	require.Equal(t, http.StatusUnauthorized, postSigned(t, url, now.Add(6*time.Minute), ""))
	require.Equal(t, http.StatusUnauthorized, postSigned(t, url, now, " and more"))
	require.NotEqual(t, http.StatusUnauthorized, postSigned(t, url, now, ""))
}

// postSigned signs a body, sends it with something added, and returns the status of the answer.
func postSigned(t *testing.T, url string, at time.Time, added string) int {
	t.Helper()
	body := []byte("21.5")
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(append(body, added...)))
	require.NoError(t, err)
	request.Close = true
	request.Header.Set("webhook-id", "event-1")
	newSignerOf(t, vectorSecret).sign(request.Header, "event-1", at, body)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// startReceiver runs a receiver until the end of the test, and returns its URL.
func startReceiver(t *testing.T, receiver *exec.Cmd) (url string) {
	t.Helper()
	stdin, err := receiver.StdinPipe()
	require.NoError(t, err)
	stdout, err := receiver.StdoutPipe()
	require.NoError(t, err)
	receiver.Stderr = os.Stderr
	require.NoError(t, receiver.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		require.NoError(t, receiver.Wait())
	})
	url, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(url)
}
