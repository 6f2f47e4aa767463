#!/bin/sh
# Builds Consul 1.13.9 from its Go module with the ordinary Go client, once, into a cache outside of the checkout:
# the last release that Go can verify as a module, and under the MPL. Debian's is 1.8.7, from before the streaming backend.
#
#   build-consul.sh             builds it unless it is there; the last line of stdout is its path
#   build-consul.sh --where     says where it is, or would be
#
# The cache is $XDG_CACHE_HOME/fairlead, or ~/.cache/fairlead. Takes 9 minutes on two cores the first time, and 2.7 GB
# of Go's own caches; needs Go 1.18 or newer.
set -eu

version=1.13.9
module=github.com/hashicorp/consul

fail() {
  echo "build-consul: $*" >&2
  exit 1
}

cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/fairlead
# Its name carries what is in it, so that another version is another folder.
folder=$cache/consul-$version
binary=$folder/consul

case ${1-} in
'') ;;
--where)
  echo "$binary"
  exit 0
  ;;
*) fail 'usage: build-consul.sh [--where]' ;;
esac

if [ -x "$binary" ]; then
  echo "$binary"
  exit 0
fi
command -v go >/dev/null || fail "no Go here (https://go.dev/dl), so there is no Consul $version"

mkdir -p "$cache"
# Beside the target, so that the last step is a rename and a reader never sees half a file.
work=$(mktemp -d "$folder.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

cat >"$work/go.mod" <<END
module fairlead/consul

go 1.18

require $module v$version
END
# A command cannot be required, but it can be imported by what is never built.
cat >"$work/tools.go" <<END
//go:build tools

package tools

import _ "$module"
END

echo "building Consul $version into $folder, which takes some minutes" >&2
if ! (cd "$work" && export GOWORK=off && go mod tidy && go build -mod=mod -trimpath -o consul "$module") >"$work/log" 2>&1; then
  fail "Consul $version does not build: $(tail -n 3 "$work/log")"
fi
built=$("$work/consul" version | head -n 1)
[ "$built" = "Consul v$version" ] || fail "what was built says that it is '$built'"

# Two may build at once: the first rename wins, and what the second has is the same.
mkdir -p "$folder"
mv "$work/consul" "$binary"
echo "$binary"
