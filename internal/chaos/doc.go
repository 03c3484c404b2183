// Package chaos runs the programs against real Redis while it is killed, frozen, filled, locked and moved about,
// and asserts what docs/reliability.md promises. It is tests only; nothing is made of it.
//
// What Redis can do to itself, it does. What it cannot is done by [Proxy], between the programs and Redis: slow
// lines, replies that end in the middle, rubbish, and connections whose other end is gone without a word.
// An existing proxy (toxiproxy) knows of slow lines and closed ones; the others, which find the defects, it lacks.
//
// The faults are one table (faults_test.go). The table of docs/reliability.md has the same rows, and a test holds
// the two together. `go test` runs those that are marked short, PULSE_CHAOS=all, which is `make chaos`, all.
package chaos
