package main

import (
	"context"
	"os"
	"os/user"
	"strconv"
	"sync"

	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config/foreign"
)

// mostOthers is how many tunnels of another user root is shown: a process may claim to have any number.
const mostOthers = 100

// findOthers returns what the processes of other users say, in the order of the users' numbers, where root asks. Nobody's silence
// delays the answers of another user, and what cannot be asked is passed over: any user could have root read a complaint.
func findOthers(ctx context.Context) []*instance {
	if os.Getuid() != 0 || os.Getenv("TUNNELD_RUNTIME_DIR") != "" {
		return nil
	}
	own := rundir.SearchedDirectories(os.Getenv, rundir.InstanceDirectories)
	return askUsers(ctx, rundir.UserSockets(rundir.SessionDirectories, rundir.TemporaryDirectory, own))
}

// askUsers asks the sockets of each user one after the other, and several users at once.
func askUsers(ctx context.Context, sockets []rundir.UserSocket) (found []*instance) {
	byUser := make(map[int][]*instance)
	var users []int
	for _, s := range sockets {
		if byUser[s.UID] == nil {
			users = append(users, s.UID)
		}
		d := dialInstance(s.Path, s.Dial)
		if s.UID != 0 {
			d.owner = nameOfUser(s.UID)
		}
		byUser[s.UID] = append(byUser[s.UID], d)
	}
	var all sync.WaitGroup
	slots := make(chan struct{}, mostAsked)
	for _, uid := range users {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			askUser(ctx, byUser[uid])
		})
	}
	all.Wait()
	for _, uid := range users {
		left := mostOthers
		for _, d := range byUser[uid] {
			d.report.Tunnels = d.report.Tunnels[:min(len(d.report.Tunnels), left)]
			left -= len(d.report.Tunnels)
			found = append(found, d)
		}
	}
	return found
}

// askUser asks the processes of one user, all of them together for as long as one of ours may take.
func askUser(ctx context.Context, instances []*instance) {
	ctx, cancel := context.WithTimeout(ctx, rundir.AskTime)
	defer cancel()
	for _, d := range instances {
		_ = d.ask(ctx) // it has nothing to show then
	}
}

// nameOfUser returns the name of a user, or the number where there is none.
func nameOfUser(uid int) string {
	number := strconv.Itoa(uid)
	if known, err := user.LookupId(number); err == nil {
		return foreign.Line(known.Username).String()
	}
	return number
}
