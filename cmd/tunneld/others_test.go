package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/monitor"
)

// of makes a process of a user, which is reached by dial.
func of(uid int, dial func() net.Conn) *instance {
	d := dialInstance("s.sock", func(context.Context) (net.Conn, error) { return dial(), nil })
	d.owner = fmt.Sprint("user", uid)
	return d
}

// silent is a process that takes a connection and says nothing.
func silent() net.Conn {
	near, _ := net.Pipe()
	return near
}

// telling is one that says that it has so many tunnels.
func telling(t *testing.T, tunnels int) func() net.Conn {
	var report controlReport
	report.PID = 1
	for i := range tunnels {
		report.Tunnels = append(report.Tunnels, monitor.Status{Name: fmt.Sprint("t", i)})
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	return func() net.Conn {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			buffer := make([]byte, 4096)
			if _, err := far.Read(buffer); err == nil { // the request is short
				fmt.Fprintf(far, "HTTP/1.1 %d OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", http.StatusOK, len(text))
				far.Write(text)
			}
		}()
		return near
	}
}

// However many users say nothing, root's status has an end, and people are asked before those whom somebody may have made up. Two
// hundred of them with sixteen sockets each held it up for 50 seconds.
func TestSilentUsersDoNotHoldUpRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		byUser := map[int][]*instance{1000: {of(1000, telling(t, 3))}}
		for uid := 100_000; uid < 100_200; uid++ {
			for range 16 {
				byUser[uid] = append(byUser[uid], of(uid, silent))
			}
		}
		began := time.Now()
		found, lacks := askByUser(t.Context(), byUser)
		if took := time.Since(began); took > searchTime+rundir.AskTime {
			t.Errorf("it took %v", took)
		}
		if len(found) == 0 || found[0].owner != "user1000" || len(found[0].report.Tunnels) != 3 {
			t.Error("the tunnels of user1000 are missing")
		}
		if lacks == nil || strings.Count(lacks.Error(), "\n") > 0 || !strings.Contains(lacks.Error(), "not asked") {
			t.Errorf("of what is missing it says %v", lacks)
		}
	})
}

// What is not shown of a user who claims to have any number of tunnels was not told.
func TestTunnelsBeyondTheLimitAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name  string
			users map[int][]*instance
			says  string
		}{
			{"as many as there may be", map[int][]*instance{1: {of(1, telling(t, mostOthers))}}, ""},
			{"one more", map[int][]*instance{1: {of(1, telling(t, 1))}, 2: {of(2, telling(t, 60)), of(2, telling(t, 41))}},
				"of each user at most 100 tunnels are shown: there are more of user2"},
			{"two users", map[int][]*instance{1: {of(1, telling(t, 101)), of(1, telling(t, 1))}, 2: {of(2, telling(t, 102))}},
				"of each user at most 100 tunnels are shown: there are more of user1, user2"},
		} {
			found, lacks := askByUser(t.Context(), c.users)
			if fmt.Sprint(lacks) != c.says && (lacks != nil || c.says != "") {
				t.Errorf("%s: it says %v, want %q", c.name, lacks, c.says)
			}
			shown := make(map[string]int)
			for _, d := range found {
				if shown[d.owner] += len(d.report.Tunnels); shown[d.owner] > mostOthers {
					t.Errorf("%s: %d tunnels of %s", c.name, shown[d.owner], d.owner)
				}
			}
		}
	})
}
