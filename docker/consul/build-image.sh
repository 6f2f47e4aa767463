#!/bin/sh
# Makes a Consul image without a registry, for a closed network: Debian's packages, imported as one layer.
#
#   build-image.sh [<tag>]        default: fairlead/consul:debian
#
# Tests take it with FAIRLEAD_CONSUL_IMAGE=<tag>.
set -eu

tag=${1:-fairlead/consul:debian}
here=$(cd "$(dirname "$0")" && pwd)
# Debian 11 is the last suite that packages Consul.
suite=bullseye

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root

# libc6 because the binary is linked against it; busybox because the agent is launched through `sh`.
"$here/fetch-debian-package.sh" "$suite" "$root" consul libc6 busybox-static
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
