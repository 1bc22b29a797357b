#!/bin/sh
# golden.sh - record what `ip xfrm` (iproute2 6.1.0) sends to the kernel.
#
# Writes golden.txt: for each message its name, the command, the message's name
# in linux/xfrm.h and its body in hex (without netlink header). Needs strace and
# the right to make a network namespace. Whether the kernel likes the message
# does not matter.
cd "$(dirname "$0")" || exit 1

record() {
	name=$1; shift
	echo "$name"
	echo "	ip xfrm $*"
	unshare -Urn strace -qq -xx -s 65536 -e trace=sendmsg ip xfrm "$@" 2>&1 >/dev/null |
		sed -n 's/.*nlmsg_type=\(XFRM_MSG_[A-Z]*\)[^}]*}\(, "\([^"]*\)"\)*\]*, iov_len.*/\t\1\n\t\3/p' |
		sed 's/\\x//g' | head -2
}

k16=000102030405060708090a0b0c0d0e0f
k20=${k16}10111213
k24=${k20}14151617
k32=${k24}18191a1b1c1d1e1f
k64=${k32}202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f

{
record esp-aes-sha256-tunnel state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee01 reqid 7 mode tunnel \
	replay-window 32 flag af-unspec enc 'cbc(aes)' 0x$k16 auth-trunc 'hmac(sha256)' 0x$k32 128 \
	limit time-soft 2880 limit time-hard 3600 limit byte-soft 1000 limit byte-hard 2000 \
	limit packet-soft 30 limit packet-hard 40
record esp-gcm-transport-natt state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee02 reqid 8 mode transport \
	replay-window 32 aead 'rfc4106(gcm(aes))' 0x$k20 128 encap espinudp 4500 30033 10.0.0.1 \
	mark 5 mask 0xff output-mark 9 mask 0xf if_id 3 \
	sel src 192.0.2.1/32 dst 192.0.2.2/32 proto udp sport 1701 dport 1701
record esp-gcm8-out state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee03 mode transport \
	aead 'rfc4106(gcm(aes))' 0x$k20 64
record esp-ctr-sha512-esn state add src 2001:db8::1 dst 2001:db8::2 proto esp spi 0xc0ffee04 reqid 9 mode tunnel \
	replay-window 128 flag esn flag af-unspec replay-seq 0 replay-oseq 0 \
	enc 'rfc3686(ctr(aes))' 0x$k20 auth-trunc 'hmac(sha512)' 0x$k64 256
record esp-3des-md5 state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee05 mode transport \
	replay-window 32 enc 'cbc(des3_ede)' 0x$k24 auth-trunc 'hmac(md5)' 0x$k16 96
record esp-null-sha1 state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee06 mode transport \
	replay-window 32 enc 'ecb(cipher_null)' '' auth-trunc 'hmac(sha1)' 0x$k20 96
record esp-aes-sha256-96-update state update src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee07 seq 0x2a mode tunnel \
	replay-window 32 flag af-unspec enc 'cbc(aes)' 0x$k32 auth-trunc 'hmac(sha256)' 0x$k32 96
record ah-sha1-v6 state add src 2001:db8::1 dst 2001:db8::2 proto ah spi 0xc0ffee08 mode transport \
	replay-window 32 auth-trunc 'hmac(sha1)' 0x$k20 96
record comp-deflate state add src 192.0.2.1 dst 192.0.2.2 proto comp spi 0x1001 mode tunnel flag af-unspec comp deflate
record esp-window-64 state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee09 mode transport \
	replay-window 64 replay-seq 0 replay-oseq 0 enc 'cbc(aes)' 0x$k16 auth-trunc 'hmac(sha1)' 0x$k20 96
record esp-beet-natt state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee0a mode beet \
	replay-window 32 enc 'cbc(aes)' 0x$k16 auth-trunc 'hmac(sha256)' 0x$k32 128 encap espinudp 4500 4500 0.0.0.0 \
	sel src 10.1.0.1/32 dst 10.2.0.1/32
record ah-sha256-tunnel state add src 192.0.2.1 dst 192.0.2.2 proto ah spi 0xc0ffee0b mode tunnel \
	replay-window 32 flag af-unspec align4 auth-trunc 'hmac(sha256)' 0x$k32 96
record delete-sa state delete src 192.0.2.1 dst 192.0.2.2 proto esp spi 0xc0ffee01
record get-sa state get src 2001:db8::1 dst 2001:db8::2 proto ah spi 0xc0ffee08 mark 5 mask 0xff
record allocspi state allocspi src 192.0.2.2 dst 192.0.2.1 proto esp reqid 7 seq 0x2a mode tunnel min 0x1000 max 0x2000
record policy-out-tunnel policy add dir out src 10.1.0.0/16 dst 10.2.0.0/16 priority 0x80000000 \
	tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 7 mode tunnel level required
record policy-fwd-update policy update dir fwd src 10.2.0.0/16 dst 10.1.0.0/16 priority 1000 mark 5 mask 0xff if_id 3 \
	tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 7 mode tunnel level use
record policy-in-transport policy add dir in src 192.0.2.2/32 dst 192.0.2.1/32 proto tcp sport 80 priority 5 \
	limit time-hard 60 tmpl proto comp mode transport level use tmpl proto ah reqid 8 mode transport
record policy-bundle-mixed policy add dir out src 2001:db8:1::/48 dst 2001:db8:3::/48 priority 0x80000000 \
	tmpl src 192.0.2.1 dst 192.0.2.2 proto comp reqid 1 mode tunnel \
	tmpl src 192.0.2.1 dst 192.0.2.2 proto esp reqid 2 mode transport \
	tmpl src 192.0.2.1 dst 192.0.2.2 proto ah reqid 3 mode transport
record policy-beet-update policy update dir in src 10.2.0.1/32 dst 10.1.0.1/32 priority 7 \
	tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid 2 mode beet
record policy-block policy add dir out src 2001:db8:1::/48 dst 2001:db8:2::/48 action block priority 0x7fffffff
record policy-none policy add dir out src 0.0.0.0/0 dst 192.0.2.0/24 priority 0
record delete-policy policy delete dir out src 10.1.0.0/16 dst 10.2.0.0/16 mark 5 mask 0xff if_id 3
record delete-policy-index policy delete dir fwd index 42
record flush-sa state flush
record flush-policy policy flush
} >golden.txt
