package listen

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlagsAreHeldToTheirBounds(t *testing.T) {
	for problem, options := range map[string][]Options{
		"": {
			{Status: 200, Every: 1},
			{Status: 599, Every: 2, Delay: time.Second, RetryAfter: time.Second},
		},
		"--status is 199, not 200 to 599":             {{Status: 199, Every: 1}},
		"--status is 600, not 200 to 599":             {{Status: 600, Every: 1}},
		"--every is 0, less than 1":                   {{Status: 200}},
		"--every is -1, less than 1":                  {{Status: 200, Every: -1}},
		"--delay and --retry-after can't be negative": {{Status: 200, Every: 1, Delay: -1}, {Status: 200, Every: 1, RetryAfter: -1}},
	} {
		for _, given := range options {
			if err := given.Validate(); problem == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, problem)
			}
		}
	}
}

func TestRetryAfterGoesWithWhatIsNot200InWholeSecondsRoundedUp(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{Status: 503, RetryAfter: 10 * time.Second}, "10"},
		{Options{Status: 429, RetryAfter: 1400 * time.Millisecond}, "2"},
		{Options{Status: 429, RetryAfter: time.Millisecond}, "1"},
		{Options{Status: 503}, ""},
		{Options{Status: 200, RetryAfter: time.Second}, ""},
	} {
		c.options.Every = 1
		receiver, err := New(c.options, new(bytes.Buffer))
		require.NoError(t, err)
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
		require.Equal(t, c.options.Status, answer.Code)
		require.Equal(t, c.want, answer.Header().Get("Retry-After"))
	}
}

func TestAnswerComesAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		receiver, err := New(Options{Status: 204, Every: 1, Delay: 3 * time.Second}, new(bytes.Buffer))
		require.NoError(t, err)
		began, answer := time.Now(), httptest.NewRecorder()
		receiver.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, 204, answer.Code)
	})
}

func TestSenderWhoLeavesIsToldOfAndNotAnswered(t *testing.T) {
	for says, options := range map[string]Options{
		"POST {} → no answer\n":                  {Hang: true},
		"POST {} → no answer: the sender left\n": {Delay: time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			options.Status, options.Every = 200, 1
			var out bytes.Buffer
			receiver, err := New(options, &out)
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader("{}"))
			require.PanicsWithValue(t, http.ErrAbortHandler, func() { receiver.ServeHTTP(httptest.NewRecorder(), request) })
			_, line, _ := strings.Cut(out.String(), " ")
			require.Equal(t, says, line)
		})
	}
}

// lines is what a receiver prints, line by line.
type lines chan string

func (l lines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestSignalEndsAReceiverWhoseRequestsHang(t *testing.T) {
	printed, signals := make(lines, 2), make(chan os.Signal)
	receiver, err := New(Options{Address: "127.0.0.1:0", Status: 200, Every: 1, Hang: true}, printed)
	require.NoError(t, err)
	var ending sync.WaitGroup
	ending.Go(func() {
		address, _, _ := strings.Cut(strings.TrimPrefix(<-printed, "listening on "), " ")
		ending.Go(func() {
			<-printed
			signals <- os.Interrupt
		})
		response, err := http.Post(address, "application/json", strings.NewReader("{}"))
		if err == nil {
			t.Error("a request that hangs was answered")
			_ = response.Body.Close()
		}
	})
	require.NoError(t, receiver.Run(signals))
	ending.Wait()
}

func TestAddressThatIsTakenIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	receiver, err := New(Options{Address: listener.Addr().String(), Status: 200, Every: 1}, new(bytes.Buffer))
	require.NoError(t, err)
	require.ErrorContains(t, receiver.Run(nil), "listen for webhooks: listen tcp "+listener.Addr().String())
}
