description = "scripts are run when an ISAKMP SA comes and goes and when the peer is dead, and are told whose it is"
time_limit  = "240s"

matrix {
  table = <<-T
    tags  left    right
    core  racoon  strongswan
    full  racoon  racoon
  T
}

params = {
  swanctl_start = "none"
  timer         = "interval 1 sec;\n\tcounter 4;"
}

left {
  daemon = var.left
  params = { section = "script \"hook\" phase1_up; script \"hook\" phase1_down; script \"hook\" phase1_dead;" }
}

right {
  daemon = var.right
}

step "that the script is not there yet is a finding" {
  at     = "left"
  within = "20s"
  log    = ["RC3008 .*\"hook\" cannot be run: /run/lab/hook: no such file"]
}

step "here it is" {
  at  = "left"
  run = <<-S
    cat >hook <<'E'
    #!/bin/sh
    env | grep -v '^PWD=' | sort | sed "s/^/$* /" >>/run/lab/told
    echo "this is $1"
    E
    chmod 755 hook
  S
}

step "the first packets bring the tunnel up" {
  at     = "left"
  within = "45s"
  ping {}
}

step "the script was told, and of nothing else" {
  at     = "left"
  within = "20s"
  run    = <<-S
    set -e
    test $(wc -l <told) = 6
    grep -x 'phase1_up IKE_COOKIE=[0-9a-f]\{16\}:[0-9a-f]\{16\}' told
    grep -x "phase1_up LOCAL_ADDR=$SELF" told
    grep -x 'phase1_up LOCAL_PORT=500' told
    grep -x "phase1_up REMOTE_ADDR=$PEER" told
    grep -x 'phase1_up REMOTE_PORT=500' told
    grep -x "phase1_up REMOTE_ID=$PEER" told
  S
}

step "what it says and how it ends is in the log" {
  at     = "left"
  within = "20s"
  log    = ["hook script has run: phase1_up /run/lab/hook", "this is phase1_up"]
}

step "the SA is deleted" {
  at  = "left"
  run = "mv told up; racoonctl delete-sa isakmp inet $SELF $PEER"
}

step "the script is told of its end" {
  at     = "left"
  within = "20s"
  run    = "sed s/^phase1_down/phase1_up/ told | cmp - up"
}

step "others may write the script" {
  at  = "left"
  run = "rm told up; chmod o+w hook"
}

step "the next packets negotiate again" {
  at     = "left"
  within = "45s"
  ping {}
}

step "but it is not run" {
  at     = "left"
  within = "20s"
  log    = ["hook script failed: phase1_up /run/lab/hook: /run/lab/hook has mode 0757: .* reason=unsafe-file"]
}

step "it was not" {
  at  = "left"
  run = "test ! -e told; chmod 755 hook; racoonctl delete-sa isakmp inet $SELF $PEER"
}

step "nothing but its end is told, as all is well again" {
  at     = "left"
  within = "20s"
  run    = "grep phase1_down told && ! grep -v phase1_down told"
}

step "the peer is no more" {
  at   = "right"
  stop = true
}

step "packets want it" {
  at  = "left"
  run = "rm told"
}

step "in vain" {
  at = "left"
  ping { answered = "none" }
}

step "the script is told that it is dead" {
  at     = "left"
  within = "45s"
  run    = "grep -x \"phase1_dead REMOTE_ADDR=$PEER\" told && ! grep REMOTE_ID told"
}

step "the peer is back" {
  at    = "right"
  start = true
}

step "and an SA with it" {
  at     = "left"
  within = "30s"
  run    = "racoonctl establish-sa isakmp inet $SELF $PEER"
}

step "racoon ends" {
  at   = "left"
  stop = true
}

step "the script was told of that SA too" {
  at  = "left"
  run = "test $(grep -c 'phase1_up IKE_COOKIE' told) = 1 && test $(grep -c 'phase1_down IKE_COOKIE' told) = 1"
}

expect {}
