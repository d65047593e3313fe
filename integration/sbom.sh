#!/bin/sh
# sbom.sh BINARY DOCUMENT VERSION: the bill of materials of a program, for goreleaser, which calls it in dist/.
set -e
cd "$(dirname "$0")/.."
go run ./integration/materials sbom "dist/$1" "$3" >"dist/$2"
