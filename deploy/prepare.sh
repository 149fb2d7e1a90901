#!/bin/sh
# Makes what compose.yaml asks for and nobody else may know: `sh prepare.sh HOST`. What is there already stays.
set -eu
host=${1:?name the host that clients will call, like pictures.example}
cd "$(dirname "$0")"
command -v openssl >/dev/null || { echo "openssl is missing" >&2; exit 1; }
umask 077
mkdir -p secrets
# The folder is closed; its files are open, since in a container other users than this one read them.
# Values come first, so that nothing half-made is left to stay where openssl fails.
if [ ! -e secrets/secret.key ]; then
    key=$(openssl rand -base64 32)
    printf '%s\n' "$key" | tr '+/' '-_' > secrets/secret.key
fi
[ -e secrets/certificate.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -days 30 -subj "/CN=$host" -addext "subjectAltName=DNS:$host" -keyout secrets/certificate.key -out secrets/certificate.pem
chmod 444 secrets/*
if [ ! -e .env ]; then
    password=$(openssl rand -hex 24)
    access=$(openssl rand -hex 10)
    secret=$(openssl rand -hex 24)
    cat > .env <<END
PUBLIC_HOST=$host
POSTGRES_PASSWORD=$password
S3_ACCESS_KEY=$access
S3_SECRET_KEY=$secret
END
fi
echo "There are .env and secrets/. Keep a copy of secrets/secret.key: without it nobody opens what the database has sealed."
