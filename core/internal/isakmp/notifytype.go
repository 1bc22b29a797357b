package isakmp

import "log/slog"

// A NotifyType says what a notify payload is about.
type NotifyType uint16

// IsError is true of the types that report a failure, RFC 2408 §3.14.1; the
// others tell a status.
func (t NotifyType) IsError() bool { return t < 16384 }

// Notify types of RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.2 and Cisco's
// Unity protocol.
const (
	NotifyInvalidPayloadType      NotifyType = 1
	NotifyDOINotSupported         NotifyType = 2
	NotifySituationNotSupported   NotifyType = 3
	NotifyInvalidCookie           NotifyType = 4
	NotifyInvalidMajorVersion     NotifyType = 5
	NotifyInvalidMinorVersion     NotifyType = 6
	NotifyInvalidExchangeType     NotifyType = 7
	NotifyInvalidFlags            NotifyType = 8
	NotifyInvalidMessageID        NotifyType = 9
	NotifyInvalidProtocolID       NotifyType = 10
	NotifyInvalidSPI              NotifyType = 11
	NotifyInvalidTransformID      NotifyType = 12
	NotifyAttributesNotSupported  NotifyType = 13
	NotifyNoProposalChosen        NotifyType = 14
	NotifyBadProposalSyntax       NotifyType = 15
	NotifyPayloadMalformed        NotifyType = 16
	NotifyInvalidKeyInformation   NotifyType = 17
	NotifyInvalidIDInformation    NotifyType = 18
	NotifyInvalidCertEncoding     NotifyType = 19
	NotifyInvalidCertificate      NotifyType = 20
	NotifyCertTypeUnsupported     NotifyType = 21
	NotifyInvalidCertAuthority    NotifyType = 22
	NotifyInvalidHashInformation  NotifyType = 23
	NotifyAuthenticationFailed    NotifyType = 24
	NotifyInvalidSignature        NotifyType = 25
	NotifyAddressNotification     NotifyType = 26
	NotifySALifetime              NotifyType = 27
	NotifyCertificateUnavailable  NotifyType = 28
	NotifyUnsupportedExchangeType NotifyType = 29
	NotifyUnequalPayloadLengths   NotifyType = 30
	NotifyConnected               NotifyType = 16384
	NotifyResponderLifetime       NotifyType = 24576
	NotifyReplayStatus            NotifyType = 24577
	NotifyInitialContact          NotifyType = 24578
	NotifyRUThere                 NotifyType = 36136
	NotifyRUThereAck              NotifyType = 36137
	NotifyUnityHeartbeat          NotifyType = 40500
	NotifyUnityLoadBalance        NotifyType = 40501
)

// NotifyTypes is the table of NotifyType.
var NotifyTypes = Names{
	{uint32(NotifyInvalidPayloadType), "INVALID-PAYLOAD-TYPE"},
	{uint32(NotifyDOINotSupported), "DOI-NOT-SUPPORTED"},
	{uint32(NotifySituationNotSupported), "SITUATION-NOT-SUPPORTED"},
	{uint32(NotifyInvalidCookie), "INVALID-COOKIE"},
	{uint32(NotifyInvalidMajorVersion), "INVALID-MAJOR-VERSION"},
	{uint32(NotifyInvalidMinorVersion), "INVALID-MINOR-VERSION"},
	{uint32(NotifyInvalidExchangeType), "INVALID-EXCHANGE-TYPE"},
	{uint32(NotifyInvalidFlags), "INVALID-FLAGS"},
	{uint32(NotifyInvalidMessageID), "INVALID-MESSAGE-ID"},
	{uint32(NotifyInvalidProtocolID), "INVALID-PROTOCOL-ID"},
	{uint32(NotifyInvalidSPI), "INVALID-SPI"},
	{uint32(NotifyInvalidTransformID), "INVALID-TRANSFORM-ID"},
	{uint32(NotifyAttributesNotSupported), "ATTRIBUTES-NOT-SUPPORTED"},
	{uint32(NotifyNoProposalChosen), "NO-PROPOSAL-CHOSEN"},
	{uint32(NotifyBadProposalSyntax), "BAD-PROPOSAL-SYNTAX"},
	{uint32(NotifyPayloadMalformed), "PAYLOAD-MALFORMED"},
	{uint32(NotifyInvalidKeyInformation), "INVALID-KEY-INFORMATION"},
	{uint32(NotifyInvalidIDInformation), "INVALID-ID-INFORMATION"},
	{uint32(NotifyInvalidCertEncoding), "INVALID-CERT-ENCODING"},
	{uint32(NotifyInvalidCertificate), "INVALID-CERTIFICATE"},
	{uint32(NotifyCertTypeUnsupported), "CERT-TYPE-UNSUPPORTED"},
	{uint32(NotifyInvalidCertAuthority), "INVALID-CERT-AUTHORITY"},
	{uint32(NotifyInvalidHashInformation), "INVALID-HASH-INFORMATION"},
	{uint32(NotifyAuthenticationFailed), "AUTHENTICATION-FAILED"},
	{uint32(NotifyInvalidSignature), "INVALID-SIGNATURE"},
	{uint32(NotifyAddressNotification), "ADDRESS-NOTIFICATION"},
	{uint32(NotifySALifetime), "NOTIFY-SA-LIFETIME"},
	{uint32(NotifyCertificateUnavailable), "CERTIFICATE-UNAVAILABLE"},
	{uint32(NotifyUnsupportedExchangeType), "UNSUPPORTED-EXCHANGE-TYPE"},
	{uint32(NotifyUnequalPayloadLengths), "UNEQUAL-PAYLOAD-LENGTHS"},
	{uint32(NotifyConnected), "CONNECTED"},
	{uint32(NotifyResponderLifetime), "RESPONDER-LIFETIME"},
	{uint32(NotifyReplayStatus), "REPLAY-STATUS"},
	{uint32(NotifyInitialContact), "INITIAL-CONTACT"},
	{uint32(NotifyRUThere), "R-U-THERE"},
	{uint32(NotifyRUThereAck), "R-U-THERE-ACK"},
	{uint32(NotifyUnityHeartbeat), "UNITY-HEARTBEAT"},
	{uint32(NotifyUnityLoadBalance), "UNITY-LOAD-BALANCE"},
}

func (t NotifyType) String() string       { return NotifyTypes.Name(uint32(t)) }
func (t NotifyType) LogValue() slog.Value { return slog.StringValue(t.String()) }
