package lab

import (
	"io"
	"net/http"
	"strings"
)

// replica is one of several tunneld processes that share a -R port. Its target says its name.
type replica struct {
	Name string
	web  string // address of --listen
	C    *Child
}

// Ready asks /readyz.
func (r *replica) Ready(query string) (int, string) {
	answer, err := http.Get("http://" + r.web + "/readyz" + query)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(body))
}
