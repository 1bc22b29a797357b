kernel = "{{.Params.kernel}}"
