#!/usr/bin/env bash
# Complete the conda environment that environment.yml names, as the Makefile does with .venv: what is pinned, and augmix.
set -euo pipefail
if [ ! -f pyproject.toml ]; then
    echo "augmix: run this in a checkout of augmix: the environment is completed from there" >&2
    exit 1
fi
# What a user tells pip for other environments does not count.
export PIP_USER=0
unset PIP_TARGET PIP_PREFIX PIP_ROOT
python -m pip install --no-deps -r requirements.lock
python -m pip install --no-deps --no-build-isolation -e .
