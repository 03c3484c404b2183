package config

import (
	"net"
	"strings"
)

// IsLoopback is true where host, which may have a port, is a name of this machine itself. A page
// elsewhere may make its own name resolve to 127.0.0.1, but no browser then sends another name.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
