package plugingrpc

// The handshake of go-plugin, which never changes; versions are negotiated by
// service names.
const (
	ProtocolVersion = 1
	CookieKey       = "RACOON_PLUGIN"
	// CookieValue is no secret: it tells a person who runs the binary by hand from a
	// host.
	CookieValue = "0f2b6c1e-racoon-ike-plugin"
	PluginName  = "racoon"

	// LifelineKey is the environment variable with the number of the descriptor whose
	// end of file ends the plugin.
	LifelineKey = "RACOON_LIFELINE_FD"
	LifelineFD  = 3
)
