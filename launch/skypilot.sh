#!/usr/bin/env bash
# Train on one rented GPU machine, spot or not, by SkyPilot (launch/skypilot.yaml).
#
#   launch/skypilot.sh --name N --gpus H100:8 --bucket B [options] -- TRAINING ARGUMENTS
#   launch/skypilot.sh --name sw --gpus A100:1 --bucket my-runs \
#       -- --config configs/afriqa_sw.py --workdir /bucket/run --data.root /bucket/RAW ...
#
# --name     of the job
# --gpus     kind and number, as `sky show-gpus` lists them
# --bucket   a bucket, made if it is not there; mounted at /bucket
# --infra    cloud and region, such as gcp/us-central1; the cheapest without it
# --spot     "no" for a machine that is not taken away; yes without it
# --dry-run  print the command, rent nothing
#
# A machine that is taken away is replaced, and the run goes on from its newest checkpoint
# in --workdir, which must be below /bucket. Needs: pip install "skypilot[gcp]" or others.

. "$(dirname "$0")/common.sh"
name='' gpus='' bucket='' infra='' spot=yes
parse name gpus bucket infra spot -- "$@"
require name gpus bucket
require_arguments
case $spot in
  yes) options=(--use-spot) ;;
  no) options=(--no-use-spot) ;;
  *) fail "--spot is yes or no, got $spot" ;;
esac
if [ -n "$infra" ]; then options+=(--infra "$infra"); fi
run cd "$root"
run sky jobs launch --name "$name" --gpus "$gpus" "${options[@]}" --yes \
  --env "BUCKET=$bucket" --env "ARGUMENTS=$(quoted "${arguments[@]}")" \
  launch/skypilot.yaml
