#!/usr/bin/env bash
# The small preset on one GPU, from nothing to a measured checkpoint, in about the seconds that it is given.
# Each stage resumes; what is done already is not done again.
# Usage: scripts/gpu_run.sh OUT COLLECT_S TRAIN_S EVAL_EPISODES
#   OUT            folder for checkpoint, logs and reports
#   COLLECT_S      seconds for demonstrations and pictures, on all cores
#   TRAIN_S        seconds for co-fine-tuning; 0 stops before it
#   EVAL_EPISODES  episodes a task afterwards; 0 for none
# PYTHON is the interpreter, RUNS the folder for data (20 GB; a memory disk is best), SETS more --set for training.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1 collect_s=$2 train_s=$3 episodes=$4
python=${PYTHON:-.venv/bin/python} runs=${RUNS:-runs/small} sets=${SETS:-}
recipe="datasets/tabletop/recipe.yaml --workers $(nproc) --set image_size=128 scenes=60000"
data="data=$runs/demos"
mkdir -p "$runs" "$out"
export TOKENIZERS_PARALLELISM=false
vla() { "$python" -m vla "$@"; }
say() { printf '\n== %4d s: %s\n' "$SECONDS" "$1"; }

if [ ! -d "$runs/demos" ]; then
  say "how long it takes to start, and a share of the recipe"
  from=$(date +%s%N)
  OMP_NUM_THREADS=1 vla collect $recipe "tasks={}" scenes=20 --out "$runs/probe1" | tail -1
  between=$(date +%s%N)
  OMP_NUM_THREADS=1 vla collect $recipe share=0.03 --out "$runs/probe2" | tail -1
  share=$("$python" -c "
start, all = ($between - $from) / 1e9, ($(date +%s%N) - $between) / 1e9
print(f'{min(1.0, 0.03 * 0.95 * ($collect_s - start) / max(all - start, 0.1)):.3f}')")
  say "demonstrations and pictures, share $share"
  OMP_NUM_THREADS=1 vla collect $recipe "share=$share" --out "$runs/demos"
  cp "$runs/demos/meta/collection.json" "$out"
fi
say "tokenizer"
[ -f "$runs/tokenizer/tokenizer.json" ] || vla train-tokenizer --out "$runs/tokenizer"
say "image encoder"
vla train clip configs/train/clip_small.yaml --out "$runs/clip" --set "$data" "tokenizer=$runs/tokenizer" $sets
tail -1 "$runs/clip/log.jsonl" && cp "$runs/clip/log.jsonl" "$out/clip.jsonl"
[ "$train_s" != 0 ] || exit 0

train() {
  vla train vla configs/train/vla_small.yaml --set "$data" "model.tokenizer=$runs/tokenizer" \
    "model.vision.pretrained=$runs/clip/checkpoint" $sets "$@"
}
say "a few steps, for their speed"
train loop.steps=120 loop.log_every=20 --out "$runs/speed"
steps=$("$python" -c "
import json
first, *_, last = map(json.loads, open('$runs/speed/log.jsonl'))
rate = (last['step'] - first['step']) / (last['minutes'] - first['minutes']) / 60
print(int(rate * $train_s))")
say "co-fine-tuning, $steps steps"
train "loop.steps=$steps" --out "$runs/vla"
cp "$runs/vla/log.jsonl" "$out/vla.jsonl"
"$python" scripts/ship.py "$runs/vla/checkpoint" "$out/checkpoint"
[ "$episodes" != 0 ] || exit 0
say "evaluation"
OMP_NUM_THREADS=1 vla eval --config configs/eval/seen.yaml --policy "$out/checkpoint" --out "$out/eval" \
  --set "episodes=$episodes" "envs=$(nproc)"
say "done"
