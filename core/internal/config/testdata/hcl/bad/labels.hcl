# Labels missing, too many or strange.
remote {
  exchange_mode = ["main"]
}
remote "192.0.2.1" "192.0.2.2" {
  exchange_mode = ["main"]
}
remote "" {
  exchange_mode = ["main"]
}
remote "192.0.2.0/33" {
  exchange_mode = ["main"]
}
remote 192 {
  exchange_mode = ["main"]
}
