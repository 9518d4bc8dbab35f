#!/usr/bin/env bash
# With `snakemake --sdm conda`, this completes the environment that environment.yml names: with augmix itself.
set -euo pipefail
if [ ! -f pyproject.toml ]; then
    echo "augmix: run snakemake --sdm conda in a checkout of augmix: its environment is completed from there" >&2
    exit 1
fi
python -m pip install --no-deps imagecorruptions-imaug==1.1.5 -e .
