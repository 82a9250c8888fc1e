#!/usr/bin/env bash
# Build the wheel, install it in a fresh environment, and ask the pilot's study there, in a folder without a clone.
#
# Needs what the README needs; the model's file is taken from the user's cache folder, or fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=$PWD
make wheel
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/venv"
wheels=(dist/grace_experiments-*.whl)
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt \
    "${wheels[0]}[local,parquet,analysis]"

cd "$folder"
grace=venv/bin/grace
"$grace" --version
said=$("$folder/venv/bin/python" -c 'import grace; print(grace.__file__)')
[[ $said == "$folder"/* ]] || { echo "try_wheel.sh: imported $said, and not the wheel of $repository" >&2; exit 1; }
"$grace" models pull smollm2-135m
"$grace" data synth agreement --output trials.csv
"$grace" query agreement --input trials.csv --output answers.csv --limit 8 --temperature 0.2 --max-tokens 32
"$grace" extract agreement --input answers.csv --output answers_structured.csv
"$grace" score agreement --input trials.csv --output answers_scores.csv --limit 8
"$grace" report answers.run --out report.html
[[ -s report.html ]]
