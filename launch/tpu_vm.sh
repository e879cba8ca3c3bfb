#!/usr/bin/env bash
# Train on a Cloud TPU slice of one or many hosts, by gcloud.
#
#   launch/tpu_vm.sh create --name N --zone Z --type v5litepod-16 --version v2-alpha-tpuv5-lite
#   launch/tpu_vm.sh setup  --name N --zone Z
#   launch/tpu_vm.sh run    --name N --zone Z -- --config configs/afriqa_sw.py --workdir /mnt/run ...
#   launch/tpu_vm.sh delete --name N --zone Z
#
# --name     of the TPU
# --zone     where it is
# --project  who pays; gcloud's own without it
# --type     create: accelerator type (gcloud compute tpus accelerator-types list)
# --version  create: runtime version (gcloud compute tpus versions list)
# --spot     create: "yes" for a machine that may be taken away
# --dry-run  print the commands, run none
#
# setup copies this project's commit to every host and installs it there. On several hosts
# --workdir must be on storage that all mount (Filestore, or Cloud Storage by gcsfuse). The
# same run command goes on after a kill.

. "$(dirname "$0")/common.sh"
if [ $# -eq 0 ]; then fail "name an action: create, setup, run or delete"; fi
action=$1
shift
case $action in
  -h | --help) usage; exit 0 ;;
  create | setup | run | delete) ;;
  *) fail "unknown action $action; there are create, setup, run and delete" ;;
esac
name='' zone='' project='' type='' version='' spot=no
parse name zone project type version spot -- "$@"
require name zone
where=("--zone=$zone")
if [ -n "$project" ]; then where+=("--project=$project"); fi

on_every_host() {
  run gcloud compute tpus tpu-vm ssh "$name" "${where[@]}" --worker=all "--command=$1"
}

case $action in
  create)
    require type version
    case $spot in
      yes) where+=(--spot) ;;
      no) ;;
      *) fail "--spot is yes or no, got $spot" ;;
    esac
    run gcloud compute tpus tpu-vm create "$name" "${where[@]}" \
      "--accelerator-type=$type" "--version=$version"
    ;;
  setup)
    archive=${TMPDIR:-/tmp}/optical_jax.tar.gz
    run git -C "$root" archive --format=tar.gz "--output=$archive" HEAD
    run gcloud compute tpus tpu-vm scp "$archive" "$name:optical_jax.tar.gz" \
      "${where[@]}" --worker=all
    # The machines' own Python is older than 3.11.
    on_every_host "set -e
mkdir -p optical_jax
tar -xzf optical_jax.tar.gz -C optical_jax
cd optical_jax
python3 -m pip install --quiet --user uv
python3 -m uv venv --quiet --allow-existing --python 3.11 .venv
python3 -m uv pip install --quiet --python .venv/bin/python -r requirements.txt 'jax[tpu]==$jax_version'"
    ;;
  run)
    require_arguments
    on_every_host "cd optical_jax && OPTICAL_JAX_DISTRIBUTED=auto exec .venv/bin/python -m optical_jax.train $(quoted "${arguments[@]}")"
    ;;
  delete)
    run gcloud compute tpus tpu-vm delete "$name" "${where[@]}" --quiet
    ;;
esac
