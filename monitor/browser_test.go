package monitor

import (
	"context"
	"errors"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tunneld/tunneld/tunnel/fault"
)

// What a browser makes of the page: the state of the tunnel, and no markup from what a server says.
func TestPageInABrowser(t *testing.T) {
	browser := browserPath(t)
	hostile := `<img src=x onerror="document.title='taken'">`
	f := &fakeTunnel{began: time.Now(), wanted: make(chan struct{}), forwards: fakeForwards(2, 17)}
	f.forwards[0].LastError = hostile
	f.connect = func(_ context.Context, n int) (*fakeSession, error) {
		if n == 1 {
			return nil, &fault.Error{Phase: fault.PhaseDial, Err: errors.New(hostile)}
		}
		return newFakeSession(n), nil
	}
	w := newWorld(t, options(), f)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { w.ended <- w.Run(ctx) }()
	server := httptest.NewServer(Handler(func() []*Monitor { return []*Monitor{w.Monitor} }))
	defer server.Close()

	command := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(),
		"--virtual-time-budget=3000", "--dump-dom", server.URL)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	page := string(out)
	for _, text := range []string{`<span class="state up">up</span>`, "bob@db.example:22", "-D localhost:1080", "2 open, 17 total", "&lt;img src=x"} {
		if !strings.Contains(page, text) {
			t.Errorf("%q is not on the page", text)
		}
	}
	if strings.Contains(page, "<img") || strings.Contains(page, "taken</title>") {
		t.Error("a server's text became markup")
	}
	if t.Failed() {
		t.Log(page[max(0, strings.Index(page, "<body")):])
	}
	cancel()
	<-w.ended
}

func browserPath(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs chromium: not installed; as root, make tools installs it")
	return ""
}
