//go:build linux

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/racoon-ike/racoon/lab/internal/report"
)

// demo runs the scenario "demo" and prints what it shows.
func (c *cli) demo(ctx context.Context) error {
	c.match, c.guests = "^demo$", 1
	some, err := c.chosen()
	if err != nil {
		return err
	}
	fmt.Println("Booting User-Mode Linux ...")
	d := report.NewDemo(os.Stdout)
	return c.play(ctx, some, d.Event, d.Summary)
}
