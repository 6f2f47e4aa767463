#!/bin/sh
# Makes a Consul image without a registry, for a closed network, imported as one layer: of Debian's packages, or of a
# binary of this machine such as build-consul.sh makes, with the libraries that it is linked against.
#
#   build-image.sh [<tag> [<binary>]]        default: fairlead/consul:debian
#
# Tests take it with FAIRLEAD_CONSUL_IMAGE=<tag>.
set -eu

tag=${1:-fairlead/consul:debian}
binary=${2-}
here=$(cd "$(dirname "$0")" && pwd)
# Debian 11 is the last suite that packages Consul.
suite=bullseye

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root

# busybox because the agent is launched through `sh`; libc6 because Debian's binary is linked against it.
if [ -z "$binary" ]; then
  "$here/fetch-debian-package.sh" "$suite" "$root" consul libc6 busybox-static
else
  "$here/fetch-debian-package.sh" "$suite" "$root" busybox-static
  mkdir -p "$root/usr/bin"
  cp "$binary" "$root/usr/bin/consul"
  # Of a binary that is static there are none. Symbolic links are followed, as the names are those that it looks for.
  for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*'); do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done
fi
for tool in sh grep cat ls; do
  ln -sf busybox "$root/bin/$tool"
done
# Where the official image keeps its data, open to whichever user the container runs as.
mkdir -p "$root/consul/data" "$root/etc" "$root/tmp"
chmod 1777 "$root/consul/data" "$root/tmp"
echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"

tar -C "$root" --owner=0 --group=0 --numeric-owner -c . |
  docker import --change 'ENTRYPOINT ["/usr/bin/consul"]' --change 'ENV PATH=/usr/bin:/bin' - "$tag" >/dev/null
echo "built $tag: $(docker run --rm "$tag" version | head -n 1)"
