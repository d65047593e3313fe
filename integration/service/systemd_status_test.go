package service

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// What `systemctl status` says of an outage: since when, which attempt follows, who waits; and when it is over, how long it was.
func (s *service) statusTellsOfOutages(t *testing.T) {
	const unit = "tunneld@hello"
	says := func(what, pattern string) {
		t.Helper()
		s.WaitProperty(unit, "StatusText", what, regexp.MustCompile(pattern).MatchString)
	}
	s.server.Kill()
	const down = `^waiting: .*refused; down since \d\d:\d\d:\d\d; attempt \d+ at \d\d:\d\d:\d\d`
	says("an outage", down+`$`)
	held, err := s.Dial(helloAddress)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	says("an outage with somebody who waits", down+`; 1 held$`)
	s.server.Start()
	says("the outage that is over", fmt.Sprintf(`^up, root@127\.0\.0\.1:%d; last outage \d+(\.\d+)?m?s until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: \S`, s.server.Port))
	if out := s.Try("systemctl", "status", "--no-pager", unit); !strings.Contains(out, `Status: "up, root@127.0.0.1:`) {
		t.Errorf("systemctl status says\n%s", out)
	}
}
