#!/usr/bin/env bash
# The main job on the default checkpoint: roll out every kind of instruction, film two, ask about an image.
set -euo pipefail
cd "$(dirname "$0")/.."
vla=.venv/bin/vla
out=runs/demo
mkdir -p "$out"
"$vla" rollout --task pick_up --instruction "pick up the red block" --episodes 10 --seed 1 --video "$out/pick_up.gif"
"$vla" rollout --task place_in_bowl --episodes 10 --seed 1
"$vla" rollout --task stack_three --episodes 4 --seed 5 --video "$out/stack_three.gif"
"$vla" rollout --task open_drawer --episodes 10 --seed 1
"$vla" rollout --task reach --instruction "青いブロックに触って" --episodes 10 --seed 1
.venv/bin/python scripts/picture.py "$out/scene.png"
"$vla" ask "$out/scene.png" "what is on the table?" "what is the robot holding?" "how many balls are there?" \
  "where is the blue block?" "what colour is the cylinder?" "青いブロックはありますか?"
echo "Videos and the picture are in $out."
