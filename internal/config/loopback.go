package config

import (
	"net"
	"strings"
)

// IsLoopback reports whether host, which may have a port, is a name of this machine itself. A hostile page
// may make its own name resolve to 127.0.0.1, but the browser still sends that name.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
