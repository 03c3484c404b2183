package api

import (
	"context"
	"errors"

	"github.com/gravito-framework/pulse/internal/view"
)

// errDown is that the newest view shows the last numbers once more.
var errDown = errors.New("Redis cannot be read: there is nothing new to record")

// time is about Redis' time, in Unix ms: its clock was so far ahead at the last reading, or will be at the first.
func (l *Live) time(ctx context.Context) (int64, error) {
	v := l.latest()
	if v == nil {
		var err error
		if v, err = l.newest(ctx); err != nil {
			return 0, err
		}
	}
	return v.view.GeneratedAt + l.now().Sub(v.madeAt).Milliseconds(), nil
}

// View is the newest view for a recorder in this process. Its error is that Redis cannot be read: what there is
// then are old numbers.
func (l *Live) View(ctx context.Context) (*view.View, error) {
	v, err := l.newest(ctx)
	if err != nil {
		return nil, err
	}
	if v.down {
		return nil, errDown
	}
	return v.view, nil
}
