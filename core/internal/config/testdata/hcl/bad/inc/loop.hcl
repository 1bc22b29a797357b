include {
  file = "loop.hcl"
}
