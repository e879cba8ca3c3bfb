#!/usr/bin/env bash
# Train on a TPU slice of a GKE cluster, as a JobSet (launch/jobset.yaml), by kubectl.
#
#   docker build -f launch/Dockerfile -t IMAGE . && docker push IMAGE
#   launch/gke.sh --name N --image IMAGE --claim PVC --accelerator tpu-v5-lite-podslice \
#       --topology 4x4 --hosts 4 --chips-per-host 4 -- --config configs/afriqa_sw.py \
#       --workdir /shared/run ...
#
# --name            of the JobSet
# --image           made of launch/Dockerfile
# --claim           a ReadWriteMany volume claim (Filestore); mounted at /shared
# --accelerator     the node pool's label cloud.google.com/gke-tpu-accelerator
# --topology        the slice, such as 4x4 or 2x2x4
# --hosts           nodes of the slice
# --chips-per-host  4 without it
# --restarts        how often a failed run starts again; 10 without it
# --namespace       default without it
# --dry-run         print the JobSet and the command, apply nothing
#
# --workdir and --data.cache_dir must be below /shared. The cluster needs the JobSet
# controller (github.com/kubernetes-sigs/jobset). A run that starts again goes on from its
# newest checkpoint.

. "$(dirname "$0")/common.sh"
name='' image='' claim='' accelerator='' topology='' hosts=''
chips_per_host=4 restarts=10 namespace=default
parse name image claim accelerator topology hosts chips-per-host restarts namespace -- "$@"
require name image claim accelerator topology hosts
require_arguments
case $name in
  [!a-z]* | *[!a-z0-9-]* | *-)
    fail "--name is lower-case letters, digits and - (Kubernetes), got $name" ;;
esac
case $topology in
  *[!0-9x]* | x* | *x) fail "--topology is such as 4x4 or 2x2x4, got $topology" ;;
esac
for number in "$hosts" "$chips_per_host" "$restarts"; do
  case $number in
    *[!0-9]*) fail "--hosts, --chips-per-host and --restarts are numbers, got $number" ;;
  esac
done
chips=$((${topology//x/*}))
if [ "$chips" -ne $((hosts * chips_per_host)) ]; then
  fail "a $topology slice has $chips chips, --hosts $hosts x --chips-per-host $chips_per_host are $((hosts * chips_per_host))"
fi

# JSON strings are YAML; a word of the shell that would break one is refused.
list=''
for word in "${arguments[@]}"; do
  case $word in
    *[\"\\]* | *$'\n'*) fail "an argument of training holds a quote or a backslash: $word" ;;
  esac
  list="$list, \"$word\""
done

filled() {
  local text
  text=$(cat "$root/launch/jobset.yaml")
  text=${text//@NAME@/$name}
  text=${text//@NAMESPACE@/$namespace}
  text=${text//@IMAGE@/$image}
  text=${text//@CLAIM@/$claim}
  text=${text//@ACCELERATOR@/$accelerator}
  text=${text//@TOPOLOGY@/$topology}
  text=${text//@HOSTS@/$hosts}
  text=${text//@CHIPS@/$chips_per_host}
  text=${text//@RESTARTS@/$restarts}
  printf '%s\n' "${text//@ARGUMENTS@/${list#, }}"
}

if [ "$dry_run" = yes ]; then
  filled
  printf '# the above, piped into: '
  quoted kubectl apply -f -
else
  filled | kubectl apply -f -
fi
