#!/usr/bin/env bash
# Train on the GPUs of this machine; the environment is made on the first call.
#
#   launch/gpu.sh [--gpus 0,1] [--venv DIR] [--python PYTHON] [--dry-run] -- TRAINING ARGUMENTS
#   launch/gpu.sh -- --config configs/afriqa_sw.py --data.root RAW --teacher.path TEACHER
#
# --gpus     which ones, by number; all of them without it
# --venv     the environment; .venv-gpu in this project without it
# --python   a Python 3.11; python3.11 without it
# --dry-run  print the commands, run none
#
# SIGTERM saves the run at the next step; the same command goes on from there.

. "$(dirname "$0")/common.sh"
gpus='' venv=$root/.venv-gpu python=python3.11
parse gpus venv python -- "$@"
require_arguments
case $gpus in
  *[!0-9,]*) fail "--gpus takes numbers such as 0,1, got $gpus" ;;
esac

if [ ! -x "$venv/bin/python" ]; then
  run "$python" -m venv "$venv"
fi
# Quick where all is installed already.
run "$venv/bin/python" -m pip install --quiet --requirement "$root/requirements.txt" \
  "jax[cuda12]==$jax_version"
if [ -n "$gpus" ]; then run export "CUDA_VISIBLE_DEVICES=$gpus"; fi
run export "PYTHONPATH=$root"
# In place of this shell, so that signals reach the training.
run exec "$venv/bin/python" -m optical_jax.train "${arguments[@]}"
