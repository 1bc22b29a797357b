description = "control: what the lab must catch, it catches"

matrix {
  table = <<-T
    tags          fault
    control       clear
    control,core  silent
    control       lossy
    control       hangs
    control,core  dies
    control       orphan
    control       leaves-sa
    control       kernel-error
    control       encap
  T
}

# The one that hangs is cut off.
time_limit = var.fault == "hangs" ? "60s" : "240s"

# Without trap policies nothing makes the left end protect its packets.
params = {
  swanctl_start = var.fault == "clear" ? "none" : "trap"
  natt          = var.fault == "encap" ? "force" : ""
}

left { daemon = "strongswan" }
right {
  daemon = "strongswan"
  params = { swanctl_start = "none" }
}

step "the first packets start the negotiation" {
  at     = "left"
  within = "45s"
  ping {}
}

step "the link as it is to be" {
  netem = var.fault == "lossy" ? "loss 40%" : ""
}

step "nothing is lost" {
  at = "left"
  ping { count = 50 }
}

step "the fault" {
  at = "left"
  run = {
    clear        = ":"
    silent       = "ip xfrm state flush" # no packet is counted on an SA any more
    lossy        = ":"
    hangs        = "sleep 600"
    dies         = "kill -9 $(cat /run/charon.pid)"
    orphan       = "setsid sleep 600 >/dev/null 2>&1 &"
    leaves-sa    = "ip xfrm state add src 192.0.2.9 dst 192.0.2.1 proto esp spi 9 mode transport enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth 'hmac(sha1)' 0x000102030405060708090a0b0c0d0e0f10111213"
    encap        = ":"
    kernel-error = "ip xfrm state deleteall src 192.0.2.2; ping -c 1 -W 0.5 -I 10.1.0.1 10.2.0.1; true"
  }[var.fault]
}

expect {
  sas = var.fault == "leaves-sa" ? null : 2
  esp = true
  ike_frag = var.fault == "encap" ? true : null
  fails = {
    clear        = ["no clear packet", "SAs at left", "SAs at right", "ESP counters at left", "ESP counters at right", "ESP on the link"]
    silent       = ["SAs at left", "ESP counters at left"]
    lossy        = ["step nothing is lost"]
    hangs        = ["step the fault"]
    dies         = ["alive at left", "no SA left at left"]
    orphan       = ["no orphan process at left"]
    leaves-sa    = ["no SA left at left"]
    encap        = ["encapsulation", "IKE fragments"]
    kernel-error = ["SAs at left", "ESP counters at left", "xfrm_stat"]
  }[var.fault]
}
