package api

import (
	"context"
	"errors"

	"github.com/gravito-framework/pulse/internal/view"
)

// errDown is that the newest view shows the last numbers once more.
var errDown = errors.New("Redis does not answer: there is nothing new to record")

// View is the newest view for a recorder in this process. Its error is that Redis doesn't answer: what there is then
// are old numbers.
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
