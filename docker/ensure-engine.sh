#!/bin/sh
# Makes sure that a Docker engine answers: installs Debian's docker.io and starts dockerd if none does.
# Needs root for that, and nothing where an engine is there already. The daemon outlives the script;
# its pid is in /var/run/docker.pid.
set -eu

fail() {
  echo "ensure-engine: $*" >&2
  exit 1
}

answers() {
  docker version --format '{{.Server.Version}}' 2>/dev/null
}

if version=$(answers); then
  echo "Docker engine $version answers"
  exit 0
fi
[ "$(id -u)" -eq 0 ] || fail 'no Docker engine answers, and starting one needs root'

if ! command -v dockerd >/dev/null; then
  command -v apt-get >/dev/null || fail 'no dockerd and no apt-get here: install Docker'
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install --yes --no-install-recommends docker.io >/dev/null
fi

log=$(mktemp)
# A session of its own, so that the end of the caller's terminal or CI step does not end the daemon.
setsid dockerd >"$log" 2>&1 </dev/null &
daemon=$!

# 60 s: a cold start takes about 3.
waited=0
until version=$(answers); do
  kill -0 "$daemon" 2>/dev/null || fail "dockerd ended: $(tail -n 3 "$log")"
  waited=$((waited + 1))
  [ "$waited" -le 60 ] || fail "dockerd does not answer after 60 s: $(tail -n 3 "$log")"
  sleep 1
done
echo "Docker engine $version started"
