#!/usr/bin/env bash
# The main job on the default checkpoint: roll out every kind of instruction, film two, ask about an image.
set -euo pipefail
cd "$(dirname "$0")/.."
vla=.venv/bin/vla
out=runs/demo
mkdir -p "$out"
"$vla" rollout --task pick_up --instruction "pick up the red block" --episodes 10 --seed 1 --video "$out/pick_up.gif"
"$vla" rollout --task place_in_bowl --episodes 10 --seed 1 --video "$out/place_in_bowl.gif"
"$vla" rollout --task push --episodes 10 --seed 1
"$vla" rollout --task reach --instruction "青いブロックに触って" --episodes 10 --seed 1
.venv/bin/python scripts/picture.py "$out/scene.png"
"$vla" ask "$out/scene.png" "what colour is the block in the bowl?" "how many blocks are there?" \
  "where is the red block?" "赤いブロックはありますか?"
echo "Videos and the picture are in $out."
