package monitor

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

// chromium is a headless browser that is told what to do over two pipes (the DevTools protocol): a message of JSON each, which
// ends in a zero byte.
type chromium struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	asked   int
	session string // of the page
}

// startBrowser starts a browser with an empty page. It ends with the test.
func startBrowser(t *testing.T) *chromium {
	t.Helper()
	command := exec.Command(browserPath(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe")
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	command.ExtraFiles = []*os.File{in, out} // 3 and 4 there
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	from.SetReadDeadline(time.Now().Add(2 * time.Minute))
	b := &chromium{t: t, to: to, from: bufio.NewReader(from)}
	t.Cleanup(func() {
		b.send("Browser.close", nil)
		ended := time.AfterFunc(time.Minute, func() { command.Process.Kill() })
		defer ended.Stop()
		command.Wait()
		to.Close()
		from.Close()
	})
	var target struct {
		TargetID string `json:"targetId"`
	}
	b.ask("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	b.ask("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	return b
}

func (b *chromium) send(method string, parameters map[string]any) {
	b.asked++
	message := map[string]any{"id": b.asked, "method": method, "params": parameters}
	if b.session != "" && method != "Browser.close" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Errorf("%s: %v", method, err)
	}
}

// ask sends a request and reads the result into result.
func (b *chromium) ask(method string, parameters map[string]any, result any) {
	b.t.Helper()
	b.send(method, parameters)
	for {
		text, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		var message struct {
			ID     int             `json:"id"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(text[:len(text)-1], &message); err != nil {
			b.t.Fatal(err)
		}
		if message.ID != b.asked {
			continue // an event
		}
		if message.Error != nil {
			b.t.Fatalf("%s: %s", method, message.Error)
		}
		if result != nil {
			if err := json.Unmarshal(message.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// look sets the width of the page and whether it is dark.
func (b *chromium) look(width int, scheme string) {
	b.t.Helper()
	b.ask("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.ask("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

func (b *chromium) open(url string) {
	b.t.Helper()
	b.ask("Page.navigate", map[string]any{"url": url}, nil)
}

// evaluate returns what an expression of JavaScript gives there.
func (b *chromium) evaluate(expression string) any {
	b.t.Helper()
	var answer struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception any `json:"exceptionDetails"`
	}
	b.ask("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true}, &answer)
	if answer.Exception != nil {
		b.t.Fatalf("%s: %v", expression, answer.Exception)
	}
	return answer.Result.Value
}

// await waits until an expression is true.
func (b *chromium) await(what, expression string) {
	b.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for b.evaluate(expression) != true {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited in vain for %s; the page says\n%v", what, b.evaluate("document.title + '\\n' + document.body.innerText"))
		}
		b.evaluate("new Promise(done => setTimeout(done, 50))")
	}
}

// shot writes a picture of the whole page.
func (b *chromium) shot(path string) {
	b.t.Helper()
	var picture struct {
		Data string `json:"data"`
	}
	b.ask("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &picture)
	image, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, image, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func browserPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs chromium: not installed; as root, make tools installs it")
	return ""
}
