package config

// The numbers of a policy.Config in the words of racoon.conf(5), for messages about
// a configuration that has been read.

// CipherName is a cipher of phase 1 with its key length: "aes 256".
func CipherName(id, bits uint16) string { return algorithmName(phase1Ciphers, id, bits) }

// HashName is a hash of phase 1: "sha256".
func HashName(id uint16) string { return algorithmName(phase1Hashes, id, 0) }

// MethodName is an authentication method: "pre_shared_key".
func MethodName(id uint16) string { return algorithmName(methods, id, 0) }

// GroupName is a Diffie-Hellman group: "modp2048".
func GroupName(id uint16) string { return algorithmName(groups, id, 0) }

// ESPCipherName is an ESP transform with its key length: "aes_gcm_16 256".
func ESPCipherName(id, bits uint16) string { return algorithmName(espCiphers, id, bits) }

// ESPAuthName is an authentication algorithm of phase 2: "hmac_sha256".
func ESPAuthName(id uint16) string { return algorithmName(espAuths, id, 0) }
