package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// report is what the receiver measured since the last one.
type report struct {
	Events         int
	P50, P99, P999 time.Duration // from the client_id, which is the time of Notify, to the arrival
}

// receiverProcess is the other process.
type receiverProcess struct {
	url   string
	stdin io.WriteCloser
	cmd   *exec.Cmd
}

func startReceiver() (*receiverProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the receiver's program: %w", err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), receiverRole+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the receiver: %w", err)
	}
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("hear from the receiver: %w", err)
	}
	return &receiverProcess{url: strings.TrimSpace(url), stdin: stdin, cmd: cmd}, nil
}

// stop ends the receiver, which lives as long as its standard input is open.
func (p *receiverProcess) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait() // it has nothing more to say
}

// report asks for what was measured since the last time.
func (p *receiverProcess) report() (report, error) {
	var r report
	response, err := http.Get(p.url + "/report")
	if err != nil {
		return r, fmt.Errorf("ask the receiver: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("read the receiver's report: %w", err)
	}
	return r, nil
}

// receive is the receiver's whole life.
func receive(stdin io.Reader, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	m := &meter{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", m.take)
	mux.HandleFunc("POST /hung", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	mux.HandleFunc("GET /report", m.report)
	server := &http.Server{Handler: mux}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	_ = server.Serve(listener) // until stdin ends
	return nil
}

// meter counts events, also those of a batch, and how long they were on their way: of a batch the first.
type meter struct {
	mu      sync.Mutex
	count   int
	latency []time.Duration
	buffers sync.Pool
}

var (
	sentAtKey = []byte(`"client_id":"`)
	answer    = []byte("ok")
)

func (m *meter) take(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	buffer, ok := m.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = new(bytes.Buffer)
	}
	defer m.buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(r.Body); err != nil {
		return
	}
	m.add(buffer.Bytes(), arrived)
	_, _ = w.Write(answer)
}

func (m *meter) add(body []byte, arrived time.Time) {
	_, rest, _ := bytes.Cut(body, sentAtKey)
	digits, _, _ := bytes.Cut(rest, []byte(`"`))
	sent, err := strconv.ParseInt(string(digits), 10, 64)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count += bytes.Count(body, sentAtKey)
	if err == nil && sent > 0 {
		m.latency = append(m.latency, time.Duration(arrived.UnixNano()-sent))
	}
}

func (m *meter) report(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	count, latency := m.count, m.latency
	m.count, m.latency = 0, nil
	m.mu.Unlock()
	slices.Sort(latency)
	_ = json.NewEncoder(w).Encode(report{
		Events: count,
		P50:    quantile(latency, 0.5),
		P99:    quantile(latency, 0.99),
		P999:   quantile(latency, 0.999),
	})
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}
