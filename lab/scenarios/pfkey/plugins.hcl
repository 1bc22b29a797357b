kernel = "pfkey"
