kernel = "{{or .Params.kernel "pfkey"}}"
