#!/bin/sh
# Gets a Let's Encrypt certificate with certbot and has the installed service use it, HTTPS on port 443.
#
#   sudo tools/setup_ssl_certificates.sh DOMAIN [EMAIL]
#   sudo tools/setup_ssl_certificates.sh --files CERTIFICATE KEY      # one that comes from elsewhere
#
# certbot answers the authority on port 80, now and at each renewal, and restarts the service then; systemd keeps the
# service's sockets meanwhile, so nobody is refused.
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

if [ "$1" = --files ]; then
    [ $# -eq 3 ] || fail "$0 --files CERTIFICATE KEY"
    CERTIFICATE=$(realpath "$2")
    KEY=$(realpath "$3")
else
    command -v certbot >/dev/null || fail "certbot is missing: apt-get install certbot"
    if [ -n "${2:-}" ]; then
        set -- "$1" --email "$2"
    else
        set -- "$1" --register-unsafely-without-email
    fi
    DOMAIN=$1
    shift
    certbot certonly --standalone --non-interactive --agree-tos --domain "$DOMAIN" "$@" \
        --deploy-hook "systemctl restart $UNIT.service"
    CERTIFICATE=/etc/letsencrypt/live/$DOMAIN/fullchain.pem
    KEY=/etc/letsencrypt/live/$DOMAIN/privkey.pem
fi

# A key that does not belong to its certificate is told now.
bufferbloatd check-config --ssl-certfile "$CERTIFICATE" --ssl-keyfile "$KEY" >/dev/null

# The service's user cannot read the key; systemd hands it a copy.
mkdir -p "$DROPIN"
cat >"$DROPIN/tls.conf" <<END
[Service]
LoadCredential=certificate.pem:$CERTIFICATE
LoadCredential=key.pem:$KEY
Environment=SSL_CERTFILE=$CREDENTIALS/certificate.pem SSL_KEYFILE=$CREDENTIALS/key.pem BUFFERBLOATD_PORT=443
END
systemctl daemon-reload
systemctl restart $UNIT.service
systemctl --no-pager --lines=3 status $UNIT.service
