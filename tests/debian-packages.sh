#!/bin/sh
# Installs the Debian packages that some tests need, when we are root; otherwise says which tests will be left out.
set -eu
missing=
for place in /usr/lib/postgresql/*/bin; do PATH=$PATH:$place; done  # where Debian keeps the server
while read -r program package tests; do
    command -v "$program" >/dev/null 2>&1 && continue
    missing="$missing $package"
    echo "missing: $program (Debian package $package), needed by: $tests"
done <<EOF
pg_ctl postgresql stores in PostgreSQL
curl curl the documentation's own commands and the printed ones
node nodejs the vendor's JavaScript SDK
npm npm the vendor's JavaScript SDK
strace strace the order of system calls of an upload
exiftool libimage-exiftool-perl what is left of metadata in a copy
nginx nginx-light the configuration of nginx that the documentation shows, and the one in deploy/
openssl openssl the deployment files
yq yq the deployment files
systemd-analyze systemd the units for systemd
EOF
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "these tests are left out; to run them: apt-get install$missing"
fi
