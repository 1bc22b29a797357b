description = "malformed datagrams: a log line names the field, nothing crashes, no SA is left"
tags        = ["core"]

left {
  daemon = "none"
}

right {
  daemon = "racoon"
}

# An ISAKMP header (RFC 2408 section 3.1): cookies, next payload, version,
# exchange type, flags, message ID, length.

step "a header cut short" {
  at = "left"
  send { hex = "0102030405060701 0000000000000000 01 10 02" }
}

step "is a short datagram" {
  at     = "right"
  within = "20s"
  log    = ["short-datagram"]
}

step "a length of 2^32-1" {
  at = "left"
  send { hex = "0102030405060702 0000000000000000 01 10 02 00 00000000 ffffffff 00000000 00000000" }
}

step "is a bad length" {
  at     = "right"
  within = "20s"
  log    = ["bad-length"]
}

step "version 2.0" {
  at = "left"
  send { hex = "0102030405060703 0000000000000000 21 20 22 08 00000000 0000001c" }
}

step "is a bad version" {
  at     = "right"
  within = "20s"
  log    = ["bad-version"]
}

step "an exchange type nobody has defined" {
  at = "left"
  send { hex = "0102030405060704 0000000000000000 01 10 ee 00 00000000 00000020 00000004" }
}

step "is a bad exchange" {
  at     = "right"
  within = "20s"
  log    = ["bad-exchange"]
}

step "a payload of length zero" {
  at = "left"
  send { hex = "0102030405060705 0000000000000000 01 10 02 00 00000000 00000020 00000000" }
}

step "is a bad payload" {
  at     = "right"
  within = "20s"
  log    = ["bad-payload"]
}

# A chain of vendor IDs, each announcing one more, the last beyond the end.
step "a chain of payloads without an end" {
  at = "left"
  send {
    hex = <<-H
      0102030405060706 0000000000000000 0d 10 02 00 00000000 0000009c
      0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004
      0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004
      0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004
      0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004 0d000004
    H
  }
}

# An SA whose proposal announces two transforms and has none.
step "an SA payload with a proposal longer than itself" {
  at = "left"
  send { hex = "0102030405060707 0000000000000000 01 10 02 00 00000000 00000030 00000014 00000001 00000001 000000ff 01010002" }
}

step "an encrypted message of an SA that never was" {
  at = "left"
  send { hex = "0102030405060708 1112131415161718 08 10 05 01 deadbeef 0000002c 000102030405060708090a0b0c0d0e0f" }
}

step "is of an unknown SA" {
  at     = "right"
  within = "20s"
  log    = ["unknown-sa"]
}

step "racoon answers its administrator" {
  at  = "right"
  run = "racoonctl show-sa -j"
}

step "and has no SA" {
  at  = "right"
  sas = 0
}

expect {}
