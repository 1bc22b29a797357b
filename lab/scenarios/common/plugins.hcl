{{if eq .Kernel "xfrm"}}# Nothing beside what racoon.conf implies.
{{else}}kernel = "{{.Kernel}}"
{{end}}