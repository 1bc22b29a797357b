// Package pluginhost starts plugins, keeps them running and offers each as a Go
// value of the SDK's interface that survives the plugin's death.
//
//	host, err := pluginhost.New(pluginhost.Options{RunDir: "/run/racoon/plugins", Logger: log})
//	kern, err := host.StartKernel(ctx, pluginhost.Spec{Name: "xfrm"}, pluginhost.Hooks[kernel.Backend]{
//		OnUp: engine.resync, // Events, then Dump; nobody else can call before it returns
//	})
//	res, err := kern.ApplyOne(ctx, txn) // coalesced with what others ask meanwhile
//
// One supervisor per plugin starts the process, configures it, lets its user
// resync, watches its health, kills it when it is wedged and starts it again. While
// it is down every call answers at once with errs.Unavailable and PluginGone.
//
// It must not know what a plugin is for: it has no protocol state.
package pluginhost
