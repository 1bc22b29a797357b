package notice

import "fmt"

// Reason says why. It is the one enumeration: log line, metric label and
// transcript use its name.
type Reason uint8

// Reasons.
const (
	_ Reason = iota
	// what came in is not ISAKMP as we speak it
	ShortDatagram
	BadLength
	BadVersion
	BadCookie
	BadFlags
	BadExchange
	BadMessageID
	BadPayload
	MissingPayload
	RepeatedPayload
	UnexpectedPayload
	NotEncrypted
	NotClear
	BadDecryption
	BadPadding
	BadHash
	BadKE
	BadNonce
	BadIdentity
	BadSPI
	BadICV
	// what came in does not fit the state
	UnknownSA
	UnknownPeer
	Duplicate
	Replayed
	Busy
	WrongAddress
	Unauthenticated
	Keepalive
	NonESP
	// limits
	RateLimited
	HalfOpenLimit
	MailboxFull
	TooManyMessageIDs
	// negotiation
	NoProposal
	BadAnswer
	NoPolicy
	NoSAInfo
	NoRemote
	AmbiguousRemote
	NoKey
	PeerRefused
	LifetimeRejected
	Superseded
	// ends
	TimedOut
	Expired
	PeerDeleted
	LocalDeleted
	ShuttingDown
	Replaced
	PeerRestarted
	KernelLost
	Reloaded
	// local causes
	PluginUnavailable
	PluginRefused
	KernelRefused
	CPUQueueFull
	HookQueueFull
	UnsafeFile
	SendFailed
	Unsupported
	Internal
	reasonCount
)

var reasons = [reasonCount]string{
	ShortDatagram: "short-datagram", BadLength: "bad-length", BadVersion: "bad-version", BadCookie: "bad-cookie",
	BadFlags: "bad-flags", BadExchange: "bad-exchange", BadMessageID: "bad-message-id", BadPayload: "bad-payload",
	MissingPayload: "missing-payload", RepeatedPayload: "repeated-payload", UnexpectedPayload: "unexpected-payload",
	NotEncrypted: "not-encrypted", NotClear: "not-clear", BadDecryption: "bad-decryption", BadPadding: "bad-padding", BadHash: "bad-hash",
	BadKE: "bad-ke", BadNonce: "bad-nonce", BadIdentity: "bad-identity", BadSPI: "bad-spi", BadICV: "bad-icv",
	UnknownSA: "unknown-sa", UnknownPeer: "unknown-peer", Duplicate: "duplicate", Replayed: "replayed", Busy: "busy",
	WrongAddress: "wrong-address", Unauthenticated: "unauthenticated", Keepalive: "keepalive", NonESP: "non-esp",
	RateLimited: "rate-limited", HalfOpenLimit: "half-open-limit", MailboxFull: "mailbox-full", TooManyMessageIDs: "too-many-message-ids",
	NoProposal: "no-proposal", BadAnswer: "bad-answer", NoPolicy: "no-policy", NoSAInfo: "no-sainfo", NoRemote: "no-remote",
	AmbiguousRemote: "ambiguous-remote", NoKey: "no-key", PeerRefused: "peer-refused", LifetimeRejected: "lifetime-rejected",
	Superseded: "superseded", TimedOut: "timed-out", Expired: "expired", PeerDeleted: "peer-deleted", LocalDeleted: "local-deleted",
	ShuttingDown: "shutting-down", Replaced: "replaced", PeerRestarted: "peer-restarted", KernelLost: "kernel-lost", Reloaded: "reloaded",
	PluginUnavailable: "plugin-unavailable", PluginRefused: "plugin-refused", KernelRefused: "kernel-refused",
	CPUQueueFull: "cpu-queue-full", HookQueueFull: "hook-queue-full", UnsafeFile: "unsafe-file",
	SendFailed: "send-failed", Unsupported: "unsupported", Internal: "internal",
}

func (r Reason) String() string {
	if r < reasonCount && reasons[r] != "" {
		return reasons[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// Reasons lists every reason, for metrics that want their labels up front.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := Reason(1); r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Loud reports whether a message dropped for this reason is worth an operator's
// eye: it says something about a configuration, not about a lossy network.
func (r Reason) Loud() bool {
	switch r {
	case BadDecryption, BadPadding, BadHash, BadIdentity, NoProposal, BadAnswer, NoPolicy, NoSAInfo, NoRemote, AmbiguousRemote, NoKey,
		UnknownPeer, BadVersion, BadPayload, MissingPayload, PeerRefused, LifetimeRejected, Unsupported, BadLength:
		return true
	}
	return false
}
