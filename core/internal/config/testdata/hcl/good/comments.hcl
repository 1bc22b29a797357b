#!/usr/sbin/racoon -F -f
# One kind of comment,
// another,
/* and a third
 * on several lines
 */
path { # behind a brace
  # before an attribute
  pre_shared_key = "psk.txt" // behind an attribute
  /* between */ certificate = "certs" /* behind */
  # at the end of a block
} # behind a block

# a paragraph of its own

// before a block
log { level = /* inside */ "info" } // one line
listen {
  isakmp = [ # a list
    "192.0.2.1", # first
    # second
    "192.0.2.2"
    # last
  ]
}
padding {
  # nothing but a comment
}
# the end
