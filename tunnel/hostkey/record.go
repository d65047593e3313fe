package hostkey

import (
	"context"
	"os"
	"strings"
)

// Writing a new key down is a courtesy to the next attempt: where it fails, for example on a read-only disk, there is a warning and
// the connection goes on, as with ssh.

// recordable reports whether there is a file for new keys, and the host has a name that can be written there.
func (h *Keys) recordable() bool {
	return len(h.options.UserKnownHostsFile) > 0 && !strings.ContainsAny(h.options.HostName, "@?*#[]|'\"\\")
}

// recordHost writes a new host's key to the first user file, and reports whether it will be found there. Under CheckHostIP the
// address goes with it.
func (h *Keys) recordHost(ctx context.Context, c *shownKey) bool {
	names := []string{c.host}
	if found, _ := c.byAddress.judge(c.key); c.address != "" && found == keyUnknown {
		names = append(names, c.address)
	}
	return h.record(ctx, c, names)
}

// recordAddress writes down under which address a known key was seen (CheckHostIP).
func (h *Keys) recordAddress(ctx context.Context, c *shownKey, known *knownHost) {
	if c.address == "" {
		return
	}
	if found, _ := c.byAddress.judge(c.key); found != keyUnknown {
		return
	}
	if c.portless || known.command || !h.recordable() {
		h.log.Info("host key not known for the address", "name", c.host, "address", c.address)
		return
	}
	h.record(ctx, c, []string{c.address})
}

// record adds a line for the names. It is of no use in a file that keeps nothing, such as /dev/null.
func (h *Keys) record(ctx context.Context, c *shownKey, names []string) bool {
	file := h.options.UserKnownHostsFile[0]
	err := appendKnownHost(ctx, file, names, c.key, h.options.HashKnownHosts)
	if err != nil {
		why := complaint(file, err, h.options.Account.ForbiddenToChange)
		h.log.Warn("host key not added to known_hosts", append([]any{"name", names[0], "key", describeKey(c.key)}, why...)...)
		return false
	}
	h.log.Info("host key added to known_hosts", "name", strings.Join(names, ","), "key", describeKey(c.key), "file", file)
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}
