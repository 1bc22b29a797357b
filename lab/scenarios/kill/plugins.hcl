plugin "log" "syslog" {
  config {
    socket = "{{.Dir}}/syslog"
  }
}
