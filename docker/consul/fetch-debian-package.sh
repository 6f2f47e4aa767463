#!/bin/sh
# Fetches packages of one Debian suite and unpacks them into a folder. Needs apt and dpkg-deb, but no root:
# apt works on lists and a cache of its own, and neither the machine's sources nor its packages change.
#
#   fetch-debian-package.sh <suite> <folder> <package>...
#
# A folder that exists is taken as fetched before, so its name should carry what is in it.
set -eu

fail() {
  echo "fetch-debian-package: $*" >&2
  exit 1
}

[ $# -ge 3 ] || fail 'usage: fetch-debian-package.sh <suite> <folder> <package>...'
suite=$1
folder=$2
shift 2

[ ! -d "$folder" ] || exit 0
for tool in apt-get dpkg-deb; do
  command -v "$tool" >/dev/null || fail "this machine has no $tool"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || fail "no $keyring: install debian-archive-keyring"

mkdir -p "$(dirname "$folder")"
# Beside the target, so that the last step is a rename and a reader never sees half a folder.
work=$(mktemp -d "$folder.XXXXXX")
work=$(cd "$work" && pwd)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" "$work/root"
: >"$work/status"

apt() {
  # As root, apt would hand its downloads to the user _apt, who cannot write here; and with the machine's own
  # dpkg status it would choose the installed version of a package over the suite's.
  apt-get -qq \
    -o Dir::State::Lists="$work/lists" \
    -o Dir::State::status="$work/status" \
    -o Dir::Cache="$work/cache" \
    -o Dir::Etc::SourceList="$work/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null \
    -o APT::Sandbox::User="$(id -un)" \
    -o Acquire::Languages=none \
    "$@"
}

# The machine's own mirrors, in its own order; the first that carries the suite serves.
mirrors=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | awk '!seen[$0]++')
[ -n "$mirrors" ] || fail "apt has no mirror configured"
served=
for mirror in $mirrors; do
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  # Error-Mode=any: without it apt-get update counts a mirror that does not answer as a success.
  if apt -o APT::Update::Error-Mode=any update >"$work/log" 2>&1; then
    served=yes
    break
  fi
done
[ -n "$served" ] || fail "no mirror of this machine serves Debian $suite: $(tail -n 1 "$work/log")"

(cd "$work/debs" && apt download "$@") >"$work/log" 2>&1 ||
  fail "cannot download $* from Debian $suite: $(tail -n 1 "$work/log")"
for package in "$work"/debs/*.deb; do
  dpkg-deb -x "$package" "$work/root"
done

# Two may fetch at once: the first rename wins, and what the second has is the same.
chmod 755 "$work/root"
mv -T "$work/root" "$folder" 2>/dev/null || [ -d "$folder" ] || fail "cannot write $folder"
