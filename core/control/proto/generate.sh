#!/bin/sh
# Generates the Go code beside the .proto files and lints them. Needs Go only:
# protoc-gen-go is the version go.mod requires, so that generator and runtime
# cannot drift apart; buf is built from source (minutes, the first time). BUF may
# name a buf that is installed already.
#
#   generate.sh          lint and generate
#   generate.sh check    lint, generate, and fail if what is checked in differs
set -eu
cd "$(dirname "$0")"
buf() { ${BUF:-go run github.com/bufbuild/buf/cmd/buf@v1.75.0} "$@"; }

buf lint
buf generate
if [ "${1:-}" = check ]; then
	git diff --exit-code -- .
fi
