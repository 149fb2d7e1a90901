#!/bin/sh
# Makes what compose.yaml asks for and nobody else may know: `sh prepare.sh HOST`. What is there already stays.
set -eu
host=${1:?name the host that clients will call, like pictures.example}
cd "$(dirname "$0")"
command -v openssl >/dev/null || { echo "openssl is missing" >&2; exit 1; }
umask 077
mkdir -p secrets
# The folder is closed; its files are open, since in a container other users than this one read them.
[ -e secrets/secret.key ] || openssl rand -base64 32 | tr '+/' '-_' > secrets/secret.key
[ -e secrets/certificate.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj "/CN=$host" -addext "subjectAltName=DNS:$host" -keyout secrets/certificate.key -out secrets/certificate.pem
chmod 444 secrets/*
[ -e .env ] || cat > .env <<END
PUBLIC_HOST=$host
POSTGRES_PASSWORD=$(openssl rand -hex 24)
S3_ACCESS_KEY=$(openssl rand -hex 10)
S3_SECRET_KEY=$(openssl rand -hex 24)
END
echo "There are .env and secrets/. Keep a copy of secrets/secret.key: without it nobody opens what the database has sealed."
