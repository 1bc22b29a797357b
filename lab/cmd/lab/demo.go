package main

import "context"

func (c *cli) demo(ctx context.Context) error { return nil }
