//go:build unix

package config

import (
	"os"
	"syscall"
)

// ownerOf is whom a file belongs to, and its group.
func ownerOf(info os.FileInfo) (user, group int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(stat.Uid), int(stat.Gid), true
}
