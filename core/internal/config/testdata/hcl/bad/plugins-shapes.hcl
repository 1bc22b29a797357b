# The words of plugins in the wrong shape.
kernel {
  name = "xfrm"
}
plugin = "auth"
locals = { a = 1 }
