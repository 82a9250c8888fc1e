#!/usr/bin/env bash
# Serve SmolLM2-135M with vLLM on the CPU: scripts/serve_vllm_cpu.sh PORT. Ready when /health answers, after about 40 s.
#
# Needs scripts/install_vllm_cpu.sh and `grace models pull smollm2-135m` before. The process becomes the server, so that a
# signal to it ends the server. GRACE_VLLM_VENV and GRACE_VLLM_MODEL name other folders than those in here.
set -euo pipefail
cd "$(dirname "$0")/.."

port=${1:?usage: scripts/serve_vllm_cpu.sh PORT}
venv=${GRACE_VLLM_VENV:-.venv-vllm}
model=${GRACE_VLLM_MODEL:-$venv/smollm2-135m}

if [[ ! -d $model ]]; then
    "$venv/bin/python" scripts/gguf_to_hf.py "$(.venv/bin/grace models path smollm2-135m)" "$model"
fi

# Nothing is compiled, so that the server is up in half a minute instead of two. A block of 128 tokens, the default on the
# CPU, would leave short prompts out of the prefix cache.
export VLLM_CPU_KVCACHE_SPACE=1 HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1 VLLM_CPU_NUM_OF_RESERVED_CPU=0
exec "$venv/bin/python" -m vllm.entrypoints.openai.api_server \
    --model "$model" --served-model-name smollm2-135m --host 127.0.0.1 --port "$port" \
    --dtype float32 --max-model-len 2048 --block-size 32 --enforce-eager \
    --generation-config vllm --logprobs-mode raw_logprobs
