#!/bin/sh
# Runs the fuzz targets whose names match PATTERN for TIME each, JOBS of them at once, every one on a single core:
#
#   fuzz.sh TIME JOBS [PATTERN]
#
# Each package is built once. What a target says is in bin/fuzz/TARGET.log; a crasher is in the package's testdata/fuzz, to be
# kept there as a test when it has been mended. On a busy machine the end of the time can reach a worker before the engine, which
# then fails with "context deadline exceeded" and without an input: nothing was found.
set -eu
time=$1 jobs=$2 pattern=${3:-.}
cd "$(dirname "$0")/.."
out=$PWD/bin/fuzz
cache=$(go env GOCACHE)/fuzz
mkdir -p "$out"
list=$out/targets
: >"$list"
grep -lr --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u | while read -r dir; do
  targets=$(cat "$dir"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | grep -E "$pattern" || true)
  [ -n "$targets" ] || continue
  package=$(go list "$dir")
  binary=$out/$(basename "$dir").test
  go test -c -fuzz . -o "$binary" "$package"
  for target in $targets; do
    echo "$PWD/$dir $binary $package $target" >>"$list"
  done
done

[ -s "$list" ] || { echo "no fuzz target matches $pattern" >&2; exit 1; }
export time out cache
xargs -P "$jobs" -n 4 sh -c '
  cd "$1"
  if "$2" -test.run "^\$" -test.fuzz "^$4\$" -test.fuzztime "$time" -test.parallel 1 -test.fuzzcachedir "$cache/$3" >"$out/$4.log" 2>&1; then
    echo "ok    $3 $4  $(grep -o "execs: [0-9]*" "$out/$4.log" | tail -1)"
  elif ! grep -q "Failing input written" "$out/$4.log" && grep -qx "    context deadline exceeded" "$out/$4.log"; then
    echo "ok    $3 $4  its last execution met the end of the time"
  else
    echo "FAIL  $3 $4"; cat "$out/$4.log"; exit 1
  fi' fuzz <"$list"
