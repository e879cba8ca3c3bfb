#!/usr/bin/env bash
# Train on GPU nodes of a Slurm cluster, one process a GPU; prints the job's number.
#
#   launch/slurm.sh --nodes 2 --gpus-per-node 8 --partition NAME [options] -- TRAINING ARGUMENTS
#   launch/slurm.sh --nodes 2 --gpus-per-node 8 --partition gpu --time 12:00:00 \
#       -- --config configs/afriqa_sw.py --workdir /shared/run --data.root /shared/RAW ...
#
# --nodes          how many
# --gpus-per-node  of each
# --partition      as the cluster names it
# --time           limit, hours:minutes:seconds; 24:00:00 without it
# --account        who pays, where the cluster asks for it
# --cpus-per-gpu   8 without it
# --venv           environment with jax[cuda12], on all nodes; .venv-gpu in this project
#                  without it, as launch/gpu.sh makes it
# --name           of the job; optical_jax without it
# --dry-run        print the command, submit nothing
#
# --workdir and --data.cache_dir must be on a file system that all nodes share. Two minutes
# before the time limit the run is saved; the same command goes on from there.

. "$(dirname "$0")/common.sh"
nodes='' gpus_per_node='' partition='' account='' venv=$root/.venv-gpu
time=24:00:00 cpus_per_gpu=8 name=optical_jax
parse nodes gpus-per-node partition time account cpus-per-gpu venv name -- "$@"
require nodes gpus-per-node partition
require_arguments
for number in "$nodes" "$gpus_per_node" "$cpus_per_gpu"; do
  case $number in
    0 | *[!0-9]*) fail "--nodes, --gpus-per-node and --cpus-per-gpu are numbers, got $number" ;;
  esac
done

options=(
  "--job-name=$name" "--nodes=$nodes" "--partition=$partition" "--time=$time"
  "--ntasks-per-node=$gpus_per_node" "--gpus-per-node=$gpus_per_node"
  "--cpus-per-task=$cpus_per_gpu" "--chdir=$root" "--output=$name-%j.log"
  # Preempted jobs start again; those near their end are told two minutes before.
  --requeue --open-mode=append --signal=TERM@120
)
if [ -n "$account" ]; then options+=("--account=$account"); fi
# jax.distributed reads the step's nodes and the number of each process from srun.
step=$(quoted srun --kill-on-bad-exit=1 "$venv/bin/python" -m optical_jax.train \
  "${arguments[@]}")
run sbatch "${options[@]}" "--wrap=$step"
