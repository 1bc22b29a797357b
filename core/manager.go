package core

// managerState is what a service manager is told about the daemon.
type managerState uint8

const (
	managerReady managerState = iota
	managerReloading
	managerStopping
)
