#!/usr/bin/env bash
# The small preset on one GPU, from nothing to a measured checkpoint, within the seconds that it is given.
# Each stage resumes; what is done already is not done again.
# Usage: scripts/gpu_run.sh OUT SECONDS EVAL_SECONDS
#   OUT           folder for checkpoint, logs and reports
#   SECONDS       for everything: four tenths of them go to demonstrations and pictures, on all cores
#   EVAL_SECONDS  of these for the evaluation; 0 for none
# PYTHON is the interpreter, RUNS the folder for data (20 GB; a memory disk is best), SETS more --set for training;
# RECIPE and PROBE (the share that is timed first) serve a rehearsal without a GPU.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1 seconds=$2 eval_seconds=$3
python=${PYTHON:-.venv/bin/python} runs=${RUNS:-runs/small} sets=${SETS:-}
recipe="${RECIPE:-datasets/tabletop/recipe.yaml} --workers $(nproc) --set image_size=128"
probe=${PROBE:-0.03}
data="data=$runs/demos"
mkdir -p "$runs" "$out"
export TOKENIZERS_PARALLELISM=false
vla() { "$python" -m vla "$@"; }
say() { echo "$SECONDS s: $1" | tee -a "$out/stages.txt"; } # at once, so that it survives a kill

if [ ! -d "$runs/demos" ]; then
  say "a share of $probe of the recipe, for its speed"
  from=$(date +%s%N)
  OMP_NUM_THREADS=1 vla collect $recipe "tasks={}" scenes=20 --out "$runs/probe1" | tail -1
  between=$(date +%s%N)
  OMP_NUM_THREADS=1 vla collect $recipe scenes=60000 share=$probe --out "$runs/probe2" | tail -1
  share=$("$python" -c "
start, all = ($between - $from) / 1e9, ($(date +%s%N) - $between) / 1e9
print(f'{min(1.0, $probe * (0.4 * $seconds - $SECONDS - start) / max(all - start, 0.1)):.3f}')")
  say "demonstrations and pictures, a share of $share"
  OMP_NUM_THREADS=1 vla collect $recipe scenes=60000 "share=$share" --out "$runs/demos"
  cp "$runs/demos/meta/collection.json" "$out"
fi
say "tokenizer"
[ -f "$runs/tokenizer/tokenizer.json" ] || vla train-tokenizer --out "$runs/tokenizer"
say "image encoder"
vla train clip configs/train/clip_small.yaml --out "$runs/clip" --set "$data" "tokenizer=$runs/tokenizer" $sets
cp "$runs/clip/log.jsonl" "$out/clip.jsonl"

train() {
  vla train vla configs/train/vla_small.yaml --set "$data" "model.tokenizer=$runs/tokenizer" \
    "model.vision.pretrained=$runs/clip/checkpoint" $sets "$@"
}
say "a few steps of co-fine-tuning, for their speed"
before=$SECONDS
train loop.steps=120 loop.log_every=20 --out "$runs/speed"
cp "$runs/speed/log.jsonl" "$out/speed.jsonl"
# What the next run costs beside its steps is at most what this one took; a tenth is kept in hand.
steps=$("$python" -c "
import json
first, *_, last = map(json.loads, open('$runs/speed/log.jsonl'))
rate = (last['step'] - first['step']) / (last['minutes'] - first['minutes']) / 60
print(max(1, int(0.9 * rate * ($seconds - $eval_seconds - $SECONDS - ($SECONDS - $before)))))")
say "co-fine-tuning, $steps steps"
train "loop.steps=$steps" --out "$runs/vla"
cp "$runs/vla/log.jsonl" "$out/vla.jsonl"
vla export "$runs/vla/checkpoint" --out "$out/checkpoint"
say "evaluation"
[ "$eval_seconds" = 0 ] || OMP_NUM_THREADS=1 timeout "$eval_seconds" "$python" -m vla eval --config configs/eval/seen.yaml \
  --policy "$out/checkpoint" --out "$out/eval" --set episodes=20 "envs=$(nproc)"
say "done"
