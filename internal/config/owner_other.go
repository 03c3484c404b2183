//go:build !unix

package config

import "os"

// ownerOf is not known where files have no owners by number.
func ownerOf(os.FileInfo) (user, group int, ok bool) { return 0, 0, false }
