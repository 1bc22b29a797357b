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
	caps, err := r.capabilities(ctx)
	if err != nil {
		return explain(err)
	}
	err = r.Kernel.Events(ctx, watched(caps), func(e kernel.Event) error {
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

// watched are the events that are asked for: SAs that were made come only to who names
// them, and an older plugin does not know them.
func watched(caps kernel.Capabilities) (mask kernel.EventMask) {
	if caps.Features&kernel.FeatSAEvents == 0 {
		return 0
	}
	for kind := range eventTypes {
		mask |= kernel.MaskOf(kind)
	}
	return mask
}

func stamp(t time.Time, since1970 bool) string {
	if since1970 {
		return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
	}
	return t.Format("15:04:05.000000")
}
