#!/usr/bin/env bash
# The main job on the default checkpoint: roll out every kind of instruction, film one, ask about an image.
# Where no checkpoint ships yet, the smallest one is trained first. Usage: scripts/demo.sh [CHECKPOINT]
set -euo pipefail
cd "$(dirname "$0")/.."
vla=.venv/bin/vla
out=runs/demo
policy=${1:-vla/assets/default}
mkdir -p "$out"
if [ ! -f "$policy/model.safetensors" ]; then
  echo "No checkpoint ships with this version; training the smallest one first (data 15 minutes, training about 100, on two cores)."
  scripts/train_default.sh runs
  policy=runs/vla/checkpoint
fi
"$vla" rollout --policy "$policy" --task pick_up --instruction "pick up the red block" --episodes 10 --seed 1 --video "$out/pick_up.gif"
"$vla" rollout --policy "$policy" --task place_in_bowl --episodes 10 --seed 1 --video "$out/place_in_bowl.gif"
"$vla" rollout --policy "$policy" --task reach --instruction "青いブロックに触って" --episodes 10 --seed 1
.venv/bin/python scripts/picture.py "$out/scene.png"
"$vla" ask --policy "$policy" "$out/scene.png" "what colour is the block in the bowl?" "how many blocks are there?" \
  "where is the red block?" "赤いブロックはありますか?"
echo "Videos and the picture are in $out."
