#!/bin/sh
# Starts a node over HTTPS with the certificate of create_test_certificates.sh, made if it is not there yet.
#
#   tools/start_https.sh [FOLDER] [FLAG...]      # for instance: tools/start_https.sh certificates --port 8443
set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
PROGRAM=$(command -v bufferbloatd || echo "$HERE/../target/release/bufferbloatd")
[ -x "$PROGRAM" ] || {
    echo "$0: $PROGRAM: not there; build it with: cargo build --release" >&2
    exit 1
}
FOLDER=certificates
case "${1:-}" in
    "" | -*) ;;
    *)
        FOLDER=$1
        shift
        ;;
esac
[ -e "$FOLDER/certificate.pem" ] || "$HERE/create_test_certificates.sh" "$FOLDER"
exec "$PROGRAM" --ssl-certfile "$FOLDER/certificate.pem" --ssl-keyfile "$FOLDER/key.pem" "$@"
