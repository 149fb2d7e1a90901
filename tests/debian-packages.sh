#!/bin/sh
# Installs the Debian packages that some tests need, when we are root; otherwise says which tests will be left out.
set -eu
missing=
while read -r program package tests; do
    command -v "$program" >/dev/null 2>&1 && continue
    missing="$missing $package"
    echo "missing: $program (Debian package $package), needed by: $tests"
done <<EOF
curl curl the documentation's own commands and the printed ones
node nodejs the vendor's JavaScript SDK
npm npm the vendor's JavaScript SDK
strace strace the order of system calls of an upload
exiftool libimage-exiftool-perl what is left of metadata in a copy
nginx nginx-light the configuration of nginx that the documentation shows
EOF
[ -z "$missing" ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "these tests are left out; to run them: apt-get install$missing"
fi
