package integration

import (
	"io"
	"net/http"
	"strings"
)

// replica is one of several tunneld processes that share a -R port. Its target says its name.
type replica struct {
	name string
	web  string // address of --listen
	c    *child
}

// ready asks /readyz.
func (r *replica) ready(query string) (int, string) {
	answer, err := http.Get("http://" + r.web + "/readyz" + query)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(body))
}
