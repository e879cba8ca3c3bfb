# Sourced by the scripts beside it: their options, errors and dry runs.
# Bash 3.2 is enough, which macOS has.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jax_version=$(sed -n 's/^jax==//p' "$root/requirements.txt")
dry_run=no
arguments=()

# The comment at the top of the script is its manual.
usage() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

fail() {
  printf 'error: %s\n\n' "$1" >&2
  usage >&2
  exit 2
}

# parse NAME... -- ARGUMENT...
# "--some-name value" sets some_name; what follows "--" goes into the array `arguments`.
parse() {
  local _known=' '
  while [ "$1" != -- ]; do
    _known="$_known$1 "
    shift
  done
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --dry-run) dry_run=yes; shift ;;
      --) shift; arguments=("$@"); return ;;
      --*)
        case $_known in
          *" ${1#--} "*) ;;
          *) fail "unknown option $1; arguments of training go behind --" ;;
        esac
        if [ $# -lt 2 ] || [ "${2#--}" != "$2" ]; then fail "$1 needs a value"; fi
        local _option=${1#--}
        printf -v "${_option//-/_}" %s "$2"
        shift 2
        ;;
      *) fail "unknown argument $1; arguments of training go behind --" ;;
    esac
  done
}

# require NAME...: options that have no default.
require() {
  # Names that no option has: these are looked up by name.
  local _option _variable
  for _option; do
    _variable=${_option//-/_}
    if [ -z "${!_variable:-}" ]; then fail "--$_option is required"; fi
  done
}

require_arguments() {
  if [ ${#arguments[@]} -eq 0 ]; then
    fail "no arguments of training, such as: -- --config configs/afriqa_sw.py"
  fi
}

# Words as a shell reads them back.
quoted() {
  local text
  printf -v text '%q ' "$@"
  printf '%s\n' "${text% }"
}

# Run a command; in a dry run, print it.
run() {
  if [ "$dry_run" = yes ]; then quoted "$@"; else "$@"; fi
}
