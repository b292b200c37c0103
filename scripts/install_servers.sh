#!/bin/sh
# Install what the tests use of other people's programs (Debian packages): the servers that the sink tests start privately, and the
# tools that read a journal. Safe to run again.
set -eu

missing=""
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v redis-server >/dev/null 2>&1 || missing="$missing redis-server"
command -v nats-server >/dev/null 2>&1 || [ -x /usr/sbin/nats-server ] || missing="$missing nats-server"
command -v jq >/dev/null 2>&1 || missing="$missing jq"
command -v zstd >/dev/null 2>&1 || missing="$missing zstd"
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing; install them with your system's package manager" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "missing:$missing; type: sudo $install" >&2
    exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Without RUNLEVEL the packages would try to start system-wide servers; the tests start their own.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
# shellcheck disable=SC2086  # a list of packages
if $install >"$log" 2>&1 || { apt-get update >>"$log" 2>&1 && $install >>"$log" 2>&1; }; then
    echo "installed:$missing"
else
    tail -n 20 "$log" >&2
    echo "could not install:$missing" >&2
    exit 1
fi
