#!/bin/sh
# Makes a certificate for trying HTTPS out: signed by itself, so browsers warn of it.
#
#   tools/create_test_certificates.sh [FOLDER [NAME...]]      # ./certificates, localhost and this host's name
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
PROGRAM=$(command -v bufferbloatd || echo "$HERE/../target/release/bufferbloatd")
[ -x "$PROGRAM" ] || {
    echo "$0: $PROGRAM: not there; build it with: cargo build --release" >&2
    exit 1
}
FOLDER=${1:-certificates}
[ $# -eq 0 ] || shift
exec "$PROGRAM" make-test-certificate "$FOLDER" "$@"
