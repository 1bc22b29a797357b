# Mistakes with plugins and the kernel.
kernel = ["xfrm"]
plugin "auth" {
  path = "/x"
}
plugin "auth" "psk" "more" {}
plugin "kernle" "xfrm" {}
plugin "log" "syslog" {
  paht     = "/x"
  critical = "yes"
  sha256   = 5
  file     = "/x"
}
plugin "log" "other" {
  config {}
  config {}
}
plugin "log" "third" {}
plugin "auth" "vault" {
  config "x" {}
}
plugin "auth" "two" {
  config = {}
}
plugin = "auth"
