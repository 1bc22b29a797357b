//go:build !linux

package core

// tellManager has nobody to tell: only systemd listens.
func (d *racoon) tellManager(managerState) {}
