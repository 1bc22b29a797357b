package core

import "github.com/coreos/go-systemd/v22/daemon"

// tellManager tells systemd, if it listens (sd_notify(3)).
func (d *racoon) tellManager(s managerState) {
	state := [...]string{managerReady: daemon.SdNotifyReady, managerReloading: daemon.SdNotifyReloading, managerStopping: daemon.SdNotifyStopping}[s]
	if s == managerReloading {
		state += "\n" + daemon.SdNotifyMonotonicUsec()
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		d.log.Warn("the service manager could not be told", "error", err)
	}
}
