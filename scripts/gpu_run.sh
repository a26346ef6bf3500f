#!/usr/bin/env bash
# The small preset on one GPU, from nothing to a measured checkpoint, within the seconds that it is given.
# Each stage resumes; what is done already is not done again.
# Usage: scripts/gpu_run.sh OUT SECONDS EVAL_SECONDS
#   OUT           folder for checkpoint, logs and reports
#   SECONDS       for everything; as many steps of co-fine-tuning as fit in
#   EVAL_SECONDS  of these for the evaluation; 0 for none
# PYTHON is the interpreter, RUNS the folder for data (20 GB; a memory disk is best), SHARE that of the recipe that
# is recorded, SEED its seed, SETS more --set for training, RECIPE another recipe. INIT is a checkpoint to go on from,
# with other demonstrations; then there is no image encoder to train.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1 seconds=$2 eval_seconds=$3
python=${PYTHON:-.venv/bin/python} runs=${RUNS:-runs/small} sets=${SETS:-}
data="data=$runs/demos"
mkdir -p "$runs" "$out"
export TOKENIZERS_PARALLELISM=false
vla() { "$python" -m vla "$@"; }
say() { echo "$SECONDS s: $1" | tee -a "$out/stages.txt"; } # at once, so that it survives a kill
train() {
  vla train vla configs/train/vla_small.yaml --set "$data" "model.tokenizer=$runs/tokenizer" $sets "$@"
}

say "tokenizer, demonstrations and pictures"
[ -f "$runs/tokenizer/tokenizer.json" ] || vla train-tokenizer --out "$runs/tokenizer" &
OMP_NUM_THREADS=1 vla collect ${RECIPE:-datasets/tabletop/recipe.yaml} --workers "$(nproc)" \
  --set image_size=128 "share=${SHARE:-1}" "seed=${SEED:-1}" --out "$runs/demos"
wait $!
cp "$runs/demos/meta/collection.json" "$out"
if [ -n "${INIT:-}" ]; then
  begin="init=$INIT model=null"
else
  begin="model.vision.pretrained=$runs/clip/checkpoint"
  say "image encoder; meanwhile one step of co-fine-tuning, which prepares its rows"
  CUDA_VISIBLE_DEVICES= train compile=false loop.steps=1 loop.batch_size=8 model.vision.pretrained=null --out "$runs/rows" &
  vla train clip configs/train/clip_small.yaml --out "$runs/clip" --set "$data" "tokenizer=$runs/tokenizer" $sets
  cp "$runs/clip/log.jsonl" "$out/clip.jsonl"
  say "image encoder is trained"
  wait $!
fi
say "co-fine-tuning"
deadline=$(date -Iseconds -d "+$((seconds - eval_seconds - SECONDS)) seconds")
train loop.steps=1000000 "loop.deadline=$deadline" $begin --out "$runs/vla"
cp "$runs/vla/log.jsonl" "$out/vla.jsonl"
vla export "$runs/vla/checkpoint" --out "$out/checkpoint"
say "evaluation"
[ "$eval_seconds" = 0 ] || OMP_NUM_THREADS=1 timeout "$eval_seconds" "$python" -m vla eval \
  --policy "$out/checkpoint" --out "$out/eval" --set episodes=20 "envs=$(nproc)" || say "evaluation was cut off"
say "done"
