#!/bin/sh
# Writes requirements/*.txt anew from pyproject.toml and the *.in files. Usage: lock.sh UV
set -eu
compile() {
    "$1" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --constraints requirements/constraints.txt --no-emit-index-url --no-emit-find-links $2 -o "requirements/$3.txt" $4
}
compile "$1" pyproject.toml run ""
compile "$1" requirements/build.in build ""
compile "$1" requirements/dev.in dev "-c requirements/run.txt -c requirements/build.txt"
compile "$1" requirements/bench.in bench "-c requirements/run.txt"
