package config

// Codes of diagnostics. They are stable: scripts and suppressions name them.
// RC0 is what makes a file unusable, RC1 a weak choice, RC2 something without
// effect, RC3 a probable mistake.
const (
	codeLex       = "RC0001" // an unexpected character, an unclosed string
	codeSyntax    = "RC0002" // a word missing or too many
	codeUnknown   = "RC0003" // no such directive
	codeValue     = "RC0004" // a value that is not allowed here
	codeMissing   = "RC0005" // a required directive is missing
	codeDuplicate = "RC0006" // defined twice
	codeFile      = "RC0007" // a file that cannot be read, includes nested too deeply
	codeNotYet    = "RC0008" // needs something racoon does not have yet
	codeRefused   = "RC0009" // racoon.conf(5) says it is always an error
	codeNever     = "RC0010" // an algorithm that is too weak to be offered at all
	codePlugins   = "RC0011" // plugins, in HCL
	codeLegacy    = "RC0012" // allow_legacy is over
	codeSecret    = "RC0013" // a secret written into HCL

	codeMD5        = "RC1001"
	codeModp768    = "RC1002"
	codeModp1024   = "RC1003"
	codeBlowfish   = "RC1004"
	codeCAST       = "RC1005"
	codeCamellia   = "RC1006"
	codeAggressive = "RC1007"
	codeHMACMD5    = "RC1008"
	codeTwofish    = "RC1009"
	codeNoAuth     = "RC1010"
	codeNull       = "RC1011"
	codeLifetime   = "RC1012"
	codeSHA1       = "RC1101"
	code3DES       = "RC1102"
	codeModp1536   = "RC1103"
	codeNoPFS      = "RC1104"
	codeObey       = "RC1105"
	codeCredulous  = "RC1106"
	codeKeysOnDisk = "RC1107" // path backupsa
	codeShortMAC   = "RC1108" // sha256_96

	codeNoEffectYet = "RC2001" // accepted, comes with a later version
	codeMapped      = "RC2002" // accepted, racoon does this another way

	codeHostBits   = "RC3001" // a network with host bits never equals a policy's
	codeNATTPort   = "RC3002" // isakmp_natt without a port means 500
	codeShadowed   = "RC3003" // a section that is never chosen
	codeEmptyGlob  = "RC3004" // an include pattern without a match
	codeLegacyEnds = "RC3006" // allow_legacy ends soon
	codeTwoNames   = "RC3007" // a DN beside a certificate
	codeWildcard   = "RC3005" // peers_identifier without verify_identifier only warns
	codeScript     = "RC3008" // a hook script that is not there, or not executable
)
