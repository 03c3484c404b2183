package main

import "context"

// playLists plays two lists that a program uses as queues without a library.
func playLists(ctx context.Context, t tick) error {
	if _, err := t.move(ctx, "jobs:resize", t.ids(t.arrivals(3, 40)), 3); err != nil {
		return err
	}
	_, err := t.move(ctx, "jobs:index", t.ids(t.arrivals(8, 100)), 8)
	return err
}
