#!/bin/sh
# Installs the node as a service of systemd: the program, its configuration and its unit; then starts it.
#
#   sudo tools/install_service.sh [PROGRAM]      # target/release/bufferbloatd unless another is named
#   sudo tools/install_service.sh --uninstall    # takes all of it away again, the configuration included
#
# Where there is dpkg, `cargo xtask deb` and `apt-get install ./FILE.deb` do the same and keep track of it.
set -eu

UNIT=libreqos-bufferbloat
UNITS=/etc/systemd/system
PROGRAMS=/usr/bin
ETC=/etc/$UNIT
HERE=$(cd "$(dirname "$0")" && pwd)

fail() {
    echo "$0: $1" >&2
    exit 1
}

[ "$(id -u)" -eq 0 ] || fail "must be run as root, for instance with sudo"
# The program alone is no sign: containers often have it, and another init system.
[ -d /run/systemd/system ] || fail "systemd does not run here; have what does start: bufferbloatd --user NAME"

if [ "${1:-}" = --uninstall ]; then
    systemctl disable --now $UNIT.service $UNIT.socket 2>/dev/null || true
    rm -rf "$UNITS/$UNIT.service" "$UNITS/$UNIT.socket" "$UNITS/$UNIT.service.d" "$PROGRAMS/bufferbloatd" "$ETC" \
        "/var/lib/$UNIT" "/var/lib/private/$UNIT"
    systemctl daemon-reload
    echo "Uninstalled."
    exit 0
fi

PROGRAM=${1:-$HERE/../target/release/bufferbloatd}
[ -x "$PROGRAM" ] || fail "$PROGRAM: not there; build it with: cargo build --release"

[ -e "$ETC/config.toml" ] || install -D -m 644 "$HERE/packaging/config.toml" "$ETC/config.toml"
"$PROGRAM" check-config >/dev/null || fail "$ETC/config.toml has to be put right first"
install -D -m 755 "$PROGRAM" "$PROGRAMS/bufferbloatd.new"
mv "$PROGRAMS/bufferbloatd.new" "$PROGRAMS/bufferbloatd"
install -D -m 644 "$HERE/packaging/$UNIT.service" "$UNITS/$UNIT.service"
install -D -m 644 "$HERE/packaging/$UNIT.socket" "$UNITS/$UNIT.socket"
systemctl daemon-reload
systemctl enable $UNIT.service
# A node that runs already is replaced, and its sockets are kept meanwhile.
systemctl restart $UNIT.service
systemctl --no-pager --lines=3 status $UNIT.service
