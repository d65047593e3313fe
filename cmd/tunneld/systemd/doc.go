// Package systemd speaks with the service manager: sd_notify(3), its sockets, its watchdog, and the journal.
package systemd
