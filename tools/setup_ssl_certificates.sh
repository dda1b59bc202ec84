#!/bin/sh
# Has the installed service get a certificate for DOMAIN by itself, and renew it; HTTPS on port 443, HTTP on port 80.
#
#   sudo tools/setup_ssl_certificates.sh DOMAIN [EMAIL]
#   sudo tools/setup_ssl_certificates.sh --files CERTIFICATE KEY      # one that comes from elsewhere
#
# DOMAIN must lead to this machine and its port 80 be open: the certificate authority, Let's Encrypt unless
# BUFFERBLOATD_ACME_DIRECTORY (and BUFFERBLOATD_ACME_DIRECTORY_CA, a root certificate) name another, looks there. Using
# it is to agree to its terms.
set -eu

UNIT=libreqos-bufferbloat
DROPIN=/etc/systemd/system/$UNIT.service.d
CREDENTIALS=/run/credentials/$UNIT.service

fail() {
    echo "$0: $1" >&2
    exit 1
}

[ $# -ge 1 ] || fail "which domain? $0 DOMAIN [EMAIL]"
[ "$(id -u)" -eq 0 ] || fail "must be run as root, for instance with sudo"
systemctl cat $UNIT.service >/dev/null 2>&1 || fail "the service is not installed; run install_service.sh first"

mkdir -p "$DROPIN"
if [ "$1" = --files ]; then
    [ $# -eq 3 ] || fail "$0 --files CERTIFICATE KEY"
    CERTIFICATE=$(realpath "$2")
    KEY=$(realpath "$3")
    # A key that does not belong to its certificate is told now.
    bufferbloatd check-config --ssl-certfile "$CERTIFICATE" --ssl-keyfile "$KEY" >/dev/null
    # The service's user cannot read the key; systemd hands it a copy.
    cat >"$DROPIN/tls.conf" <<END
[Service]
LoadCredential=certificate.pem:$CERTIFICATE
LoadCredential=key.pem:$KEY
Environment=SSL_CERTFILE=$CREDENTIALS/certificate.pem SSL_KEYFILE=$CREDENTIALS/key.pem BUFFERBLOATD_PORT=443
END
    systemctl daemon-reload
    systemctl restart $UNIT.service
    systemctl --no-pager --lines=3 status $UNIT.service
    exit 0
fi

export BUFFERBLOATD_ACME="$1" BUFFERBLOATD_ACME_EMAIL="${2:-}"
bufferbloatd check-config >/dev/null
# As systemd reads it: one word, and no specifiers.
setting() {
    printf 'Environment="%s=%s"\n' "$1" "$(printf %s "$2" | sed 's/[\\"]/\\&/g; s/%/%%/g')"
}

{
    echo "[Service]"
    setting BUFFERBLOATD_ACME "$1"
    for NAME in BUFFERBLOATD_ACME_EMAIL BUFFERBLOATD_ACME_DIRECTORY BUFFERBLOATD_ACME_DIRECTORY_CA; do
        eval "VALUE=\${$NAME:-}"
        [ -z "$VALUE" ] || setting "$NAME" "$VALUE"
    done
} >"$DROPIN/tls.conf"
systemctl daemon-reload
systemctl restart $UNIT.service

# It has one within seconds, or says why not; but after a failure nobody is asked again for a minute.
TRIES=90
while [ $TRIES -gt 0 ]; do
    STATUS=$(bufferbloatd status </dev/null 2>&1) || true
    # Its lines are broken anywhere.
    case $(echo "$STATUS" | tr -s '[:space:]' ' ') in
    *"no new certificate"*) break ;;
    # An earlier one, which is not for all that is wanted now.
    *"the certificate is not yet for"*) ;;
    *"Certificate by ACME"*"; next attempt in"*)
        echo "$STATUS"
        exit 0
        ;;
    esac
    TRIES=$((TRIES - 1))
    sleep 1
done
echo "$STATUS"
fail "no certificate yet; the service goes on trying, and these say how it fares:
    BUFFERBLOATD_ACME=$1 bufferbloatd status
    journalctl -u $UNIT"
