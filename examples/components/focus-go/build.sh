#!/bin/sh
# A static program: its image needs nothing else.
set -eu
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w" -o build/focus .
