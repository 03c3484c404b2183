//go:build wasip1

package main

import (
	"slices"
	"strings"
	"unicode/utf8"
)

func open(r *reader) string {
	settings, _ := r.texts()
	if !r.isRead() || len(settings)%2 > 0 {
		return broken
	}
	for i := 0; i < len(settings); i += 2 {
		switch value := settings[i+1]; settings[i] {
		case "app":
			app = value
		case "source":
			source = value
		case "queues":
			for name := range strings.SplitSeq(value, ",") {
				if name = strings.Trim(name, " "); name == "*" { // all, as without it
					named = nil
					break
				}
				if name == "" || slices.Contains(named, name) {
					continue
				}
				if not := refuse(name, len(named)); not != "" {
					return "Equeues takes names of queues, comma-separated: " + not
				}
				named = append(named, name)
			}
		default:
			return "Eit takes the setting queues, and none that is called " + settings[i]
		}
	}
	return "K"
}

// refuse says why a queue is not one more.
func refuse(name string, count int) string {
	switch {
	case name == "" || len(name) > maxName:
		return "a name has 1 to 1024 bytes"
	case !utf8.ValidString(name):
		return "its name is not UTF-8"
	case count == maxQueues:
		return noRoom
	}
	return ""
}
