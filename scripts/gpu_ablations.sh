#!/usr/bin/env bash
# What scripts/ablations.py compares, on one GPU: data, image encoders, then the variants of the tiny preset.
# Usage: scripts/gpu_ablations.sh OUT [STEPS] [LANES] [NAME...], all variants without a name; afterwards,
# anywhere: scripts/ablations.py measure OUT
# PYTHON is the interpreter, RUNS the folder for data, SHARE that of the demonstrations, SETS more --set for the
# variants.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1 steps=${2:-600} lanes=${3:-4} only=("${@:4}")
python=${PYTHON:-.venv/bin/python} runs=${RUNS:-runs/ablations}
mkdir -p "$runs" "$out"
export TOKENIZERS_PARALLELISM=false
vla() { "$python" -m vla "$@"; }
say() { echo "$SECONDS s: $1" | tee -a "$out/stages.txt"; }
collect() {
  OMP_NUM_THREADS=1 vla collect datasets/tabletop/recipe.yaml --workers "$(nproc)" --out "$runs/$1" \
    --set "share=${SHARE:-1}" "${@:2}"
}
clip() {
  vla train clip configs/train/clip_tiny.yaml --out "$runs/$1" \
    --set "data=$runs/demos" "tokenizer=$runs/tokenizer" "loss=$1" loop.batch_size=512
}

say "tokenizer and demonstrations"
[ -f "$runs/tokenizer/tokenizer.json" ] || vla train-tokenizer --out "$runs/tokenizer" &
tasks="{reach: 40, push: 120, pick_up: 150, place_on_card: 200}"
collect demos "tasks=$tasks" moments=60000 scenes=20000 seed=31
collect english "tasks=$tasks" moments=60000 scenes=20000 seed=31 "languages={en: 1}"
collect bowl "tasks={place_in_bowl: 1000}" moments=0 scenes=5000 seed=32
wait
say "image encoders"
clip clip &
clip siglip
wait
say "variants"
"$python" scripts/ablations.py train "$out" --data "$runs/demos" \
  --bowl "$runs/bowl" --english "$runs/english" --tokenizer "$runs/tokenizer" \
  --clip "$runs/clip/checkpoint" --siglip "$runs/siglip/checkpoint" --steps "$steps" --lanes "$lanes" \
  ${only:+--only "${only[@]}"} ${SETS:+--sets $SETS}
say "done"
