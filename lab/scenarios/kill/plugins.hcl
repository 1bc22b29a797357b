kernel = "{{.Kernel}}"
plugin "log" "syslog" {
  config {
    socket = "{{.Dir}}/syslog"
  }
}
