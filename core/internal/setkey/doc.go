// Package setkey is setkey(8): its language, and what its commands do to a kernel
// backend.
//
// A text is parsed to a list of commands, which hold what is written and nothing of
// the system it is run on; a Runner resolves the names in them and carries them out,
// in order, each on its own.
//
//	cmds, err := setkey.Parse("/etc/ipsec-tools.conf", text)
//	r := setkey.Runner{Kernel: backend, Out: os.Stdout, Err: os.Stderr}
//	failed := r.Run(ctx, cmds)
//
// It knows kernel.Backend and no plugin, no process and no PF_KEY message.
package setkey
