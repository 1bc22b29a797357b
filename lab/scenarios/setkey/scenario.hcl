description = "policies loaded by setkey make racoon negotiate, and what setkey flushes is gone"

time_limit  = "240s"

# A row for each kernel plugin.
matrix {
  table = <<-T
    tags  daemon        policies
    core  racoon        tunnel
    full  racoon        bundle
    full  racoon-pfkey  tunnel
  T
}

# What the link is held against.
protocols = { tunnel = "esp", bundle = "esp+ah" }[var.policies]

left  { daemon = var.daemon }
right { daemon = var.daemon }

step "no policies are left but those of setkey" {
  within = "60s"
  run    = "setkey -C /run/lab/racoon.conf -FP && setkey -C /run/lab/racoon.conf -DP"
  match  = ["^No SPD entries\\.\n$"]
}

step "setkey loads a file at the left end" {
  at  = "left"
  run = "setkey -C /run/lab/racoon.conf -f \"$REPO/lab/scenarios/setkey/${var.policies}-left.conf\""
}

step "and reads commands at the right end" {
  at  = "right"
  run = "setkey -C /run/lab/racoon.conf -c <\"$REPO/lab/scenarios/setkey/${var.policies}-right.conf\""
}

step "it shows them, with the twin of the policy of direction in" {
  within = "60s"
  at     = "left"
  run    = "setkey -C /run/lab/racoon.conf -DP"
  match  = { tunnel = ["10\\.1\\.0\\.0/16\\[any\\] 10\\.2\\.0\\.0/16\\[any\\] 255\\n\\tout prio def ipsec\\n\\tesp/tunnel/192\\.0\\.2\\.1-192\\.0\\.2\\.2/require", "\\tin prio", "\\tfwd prio", "lastused"],
            bundle = ["10\\.1\\.0\\.0/16\\[any\\] 10\\.2\\.0\\.0/16\\[any\\] 255\\n\\tout prio high \\+ 5 ipsec\\n\\tesp/tunnel/192\\.0\\.2\\.1-192\\.0\\.2\\.2/unique:5\\n\\tah/transport//unique:6", "\\tin prio", "\\tfwd prio"] }[var.policies]
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping {}
}

step "nothing is lost" {
  at = "left"
  ping { count = 25 }
}

step "setkey -D shows the SAs with their keys and what went through them" {
  within = "60s"
  at     = "left"
  run    = "setkey -C /run/lab/racoon.conf -D"
  match  = ["192\\.0\\.2\\.1 192\\.0\\.2\\.2 \\n\\tesp mode=tunnel spi=", "192\\.0\\.2\\.2 192\\.0\\.2\\.1 \\n", "state=mature", "\\tE: [a-z0-9-]+ ( [0-9a-f]{8}){4}", "current: [1-9][0-9]*\\(bytes\\)", "sadb_seq=0 "]
  absent = ["No SAD"]
}

step "setkey -F deletes the SAs" {
  within = "60s"
  run    = "setkey -C /run/lab/racoon.conf -F && setkey -C /run/lab/racoon.conf -D"
}

step "traffic flows again" {
  at     = "left"
  within = "60s"
  ping {}
}

step "a command that fails tells so" {
  within = "60s"
  at     = "left"
  run    = "echo 'spddelete 10.77.0.0/16 10.78.0.0/16 any -P out;' | setkey -C /run/lab/racoon.conf -c 2>&1"
  exit   = 1
  match  = ["setkey: stdin:1: No entry"]
}

# It has no word for being ready: SAs are made until one is shown.
step "setkey -x shows an SA that another setkey adds, without its key" {
  within = "30s"
  at     = "right"
  run    = <<-S
    setkey -C /run/lab/racoon.conf -x >/tmp/watched & watch=$!
    for i in $(seq 20); do
      echo 'add 192.0.2.8 192.0.2.9 ah 0x4242 -m transport -A hmac-md5 "sixteen octets !"; delete 192.0.2.8 192.0.2.9 ah 0x4242;' | setkey -C /run/lab/racoon.conf -c
      grep -q 'type=4 ' /tmp/watched && break
    done
    kill $watch; cat /tmp/watched
  S
  match  = ["sadb_msg\\{ version=2 type=3 errno=0 satype=2\\n.*\\}\\n(.*\\n)*?sadb_sa\\{ spi=0x00004242", "type=4 errno=0 satype=2"]
  absent = ["sadb_key", "7369787465656e"]
}

expect {
  sas = { tunnel = 2, bundle = 4 }[var.policies]
  esp = true
}
