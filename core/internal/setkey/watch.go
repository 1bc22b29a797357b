package setkey

import (
	"context"
	"fmt"
	"time"

	"github.com/racoon-ike/racoon/core/sdk/kernel"
)

// Watch prints what happens in the kernel until ctx ends, with the time in front:
// of the day, or since 1970.
func (r *Runner) Watch(ctx context.Context, since1970 bool) error {
	err := r.Kernel.Events(ctx, 0, func(e kernel.Event) error {
		text := eventText(e)
		if text == "" {
			return nil
		}
		at := e.At
		if at.IsZero() {
			at = r.Now()
		}
		_, err := fmt.Fprintf(r.Out, "%s\n%s\n", stamp(at, since1970), text)
		return err
	})
	if ctx.Err() != nil {
		return nil
	}
	return explain(err)
}

func stamp(t time.Time, since1970 bool) string {
	if since1970 {
		return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
	}
	return t.Format("15:04:05.000000")
}
