package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluxmq/webhookd/cmd/webhookd/terminal"
	"github.com/fluxmq/webhookd/config"
)

const (
	// adminTimeout is more than the admin side takes for a look through the dead letters.
	adminTimeout     = 3 * time.Minute
	maxAdminAnswer   = 512 << 20
	maxAdminSentence = 400 // characters of a refusal
)

// adminFlags say where the admin side of a running webhookd is.
type adminFlags struct {
	Config string `xor:"admin" placeholder:"FILE" help:"The configuration of the running webhookd: its admin.listen and admin.token."`
	URL    string `xor:"admin" name:"url" placeholder:"URL" help:"The URL of its admin side, as http://127.0.0.1:9090; either this or --config is needed."`
	Token  string `env:"WEBHOOKD_ADMIN_TOKEN" placeholder:"TOKEN" help:"admin.token; with --config, in place of the one there."`
}

// adminClient talks to the admin side of a running webhookd.
type adminClient struct {
	url   *url.URL
	token string
	http  http.Client
}

// client makes a client from the flags; its errors are for who gave them.
func (f adminFlags) client(c console) (*adminClient, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = proxyOfSecured
	client := &adminClient{token: f.Token, http: http.Client{
		Transport:     transport,
		Timeout:       adminTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	address := f.URL
	switch {
	case f.Config == "" && f.URL == "":
		return nil, errors.New("missing flags: --config=FILE or --url=URL")
	case f.Config != "":
		admin, err := loadAdmin(c, f.Config)
		if err != nil {
			return nil, err
		}
		if address, err = reachable(admin.Listen); err != nil {
			return nil, fmt.Errorf("%s: admin.listen: %w", f.Config, err)
		}
		if client.token == "" {
			client.token = string(admin.Token)
		}
	}
	if client.token == "" {
		return nil, errors.New("the admin side shows dead letters to nobody without a token: " +
			"set admin.token in its configuration, or give the token with --token or WEBHOOKD_ADMIN_TOKEN")
	}
	var err error
	client.url, err = url.Parse(address)
	if err != nil || client.url.Scheme != "http" && client.url.Scheme != "https" || client.url.Host == "" {
		return nil, errors.New("--url is no URL of an admin side, as http://127.0.0.1:9090")
	}
	return client, nil
}

// proxyOfSecured is the environment's proxy for https, in whose tunnel nobody reads admin.token. Over http the proxy would
// get it, and an admin side that has no TLS is near.
func proxyOfSecured(request *http.Request) (*url.URL, error) {
	if request.URL.Scheme != "https" {
		return nil, nil
	}
	return http.ProxyFromEnvironment(request)
}

func loadAdmin(c console, file string) (*config.Admin, error) {
	cfg, _, err := c.load(file)
	if err != nil {
		return nil, err
	}
	if cfg.Admin == nil {
		return nil, fmt.Errorf("%s has no admin section, so there is nothing to ask: add\n\n%s", file,
			indent("admin:\n  listen: "+config.DefaultAdminListen+"\n  token: \"${ADMIN_TOKEN}\""))
	}
	return cfg.Admin, nil
}

// reachable is the URL of who listens on this address of the same machine.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if port == "0" {
		return "", errors.New("is a free port, which only the log of the running webhookd names: give --url")
	}
	if ip := net.ParseIP(host); host == "" || ip.Equal(net.IPv4zero) {
		host = "127.0.0.1"
	} else if ip.IsUnspecified() {
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// ask sends a request and reads its JSON answer.
func (c *adminClient) ask(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	request, err := c.request(ctx, method, path, query, body)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the admin side: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAdminAnswer))
	if err != nil {
		return fmt.Errorf("read the admin side's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return refusalOf(response.StatusCode, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return errors.New("that is no admin side of webhookd: it answers with something else than JSON")
	}
	return nil
}

// errStalled is why an answer that comes in lines is given up.
var errStalled = errors.New("the admin side says nothing more")

// stream sends a request and hands over its answer line by line, however long that takes, while there are lines.
func (c *adminClient) stream(ctx context.Context, method, path string, body any, take func(line []byte) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(adminTimeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	request, err := c.request(ctx, method, path, nil, body)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	patient := c.http
	patient.Timeout = 0
	response, err := patient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the admin side: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAdminAnswer))
		if err != nil {
			return fmt.Errorf("read the admin side's answer: %w", err)
		}
		return refusalOf(response.StatusCode, text)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxAdminAnswer)
	for lines.Scan() {
		stalled.Reset(adminTimeout)
		if err := take(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("the answer is not whole: %w", err)
	}
	return nil
}

func (c *adminClient) request(ctx context.Context, method, path string, query url.Values, body any) (*http.Request, error) {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return nil, err
		}
	}
	target := c.url.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), &text)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Content-Type", "application/json")
	return request, nil
}

// refusalOf is what the admin side says against a request.
func refusalOf(status int, text []byte) error {
	var refused struct {
		Error struct{ Field, Problem string }
	}
	if json.Unmarshal(text, &refused) != nil || refused.Error.Problem == "" {
		return fmt.Errorf("the admin side answers %d: is it webhookd's, and of this version?", status)
	}
	sentence := strings.TrimSpace(refused.Error.Field + " " + refused.Error.Problem)
	return fmt.Errorf("the admin side answers %d: %s", status, terminal.Shown(sentence, maxAdminSentence))
}
