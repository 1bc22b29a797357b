log {
  level = "debug"
}
