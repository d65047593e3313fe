//go:build !windows

package numeral

// servicesFile lists the names of ports.
const servicesFile = "/etc/services"
