package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/tunneld/tunneld/cmd/tunneld/rundir"
	"github.com/tunneld/tunneld/config/foreign"
)

// mostOthers is how many tunnels of another user root is shown: a process may claim to have any number.
const mostOthers = 100

// findOthers returns what the processes of other users say, in the order of the users' numbers, where root asks. What cannot be asked
// is passed over: any user could have root read a complaint. lacks says in a line or two that there is more than that.
func findOthers(ctx context.Context) (found []*instance, lacks error) {
	if os.Getuid() != 0 || os.Getenv("TUNNELD_RUNTIME_DIR") != "" {
		return nil, nil
	}
	own := rundir.SearchedDirectories(os.Getenv, rundir.InstanceDirectories)
	return askUsers(ctx, rundir.UserSockets(rundir.SessionDirectories, rundir.TemporaryDirectory, own))
}

// askUsers asks the sockets of users.
func askUsers(ctx context.Context, sockets []rundir.UserSocket) (found []*instance, lacks error) {
	byUser := make(map[int][]*instance)
	var crowds []string
	for _, s := range sockets {
		d := dialInstance(s.Path, s.Dial)
		if s.UID != 0 {
			d.owner = nameOfUser(s.UID)
		}
		byUser[s.UID] = append(byUser[s.UID], d)
		if s.More {
			crowds = append(crowds, d.ownerName())
		}
	}
	found, lacks = askByUser(ctx, byUser)
	if len(crowds) > 0 {
		lacks = errors.Join(lacks, fmt.Errorf("not every process is asked of %s: there are too many", some(unique(crowds))))
	}
	return found, lacks
}

// askByUser asks the processes of each user one after the other, and several users at once, for as long as a search may take. Users of
// low numbers come first: those are people, one of whom may own a hundred thousand high ones (subuid(5)).
func askByUser(ctx context.Context, byUser map[int][]*instance) (found []*instance, lacks error) {
	users := slices.Sorted(maps.Keys(byUser))
	names := make([]string, len(users))
	for i, uid := range users {
		names[i] = "tunnels of user " + byUser[uid][0].ownerName()
	}
	failures := askAll(names, func(i int, _ string) error {
		askUser(ctx, byUser[users[i]])
		return nil
	})
	var cut []string
	for _, uid := range users {
		left := mostOthers
		for _, d := range byUser[uid] {
			all := d.report.Tunnels
			d.report.Tunnels = all[:min(len(all), left)]
			left -= len(d.report.Tunnels)
			if len(d.report.Tunnels) < len(all) {
				cut = append(cut, d.ownerName())
			}
			found = append(found, d)
		}
	}
	if len(cut) > 0 {
		failures = append(failures, fmt.Errorf("of each user at most %d tunnels are shown: there are more of %s", mostOthers, some(unique(cut))))
	}
	return found, errors.Join(failures...)
}

func (d *instance) ownerName() string { return cmp.Or(d.owner, "root") }

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
