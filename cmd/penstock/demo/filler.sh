#!/bin/sh
# The demo's filler controller: a few commands of a plant's command line.
#   filler                 a prompt
#   filler alarms | values | set NAME VALUE | trend | help
here=$(cd "$(dirname "$0")/.." && pwd) || exit 1
[ -f "$here/values" ] || printf 'fill-volume 503.8\ncap-torque 1.80\n' >"$here/values"

value() { sed -n "s/^$1 //p" "$here/values"; }

alarms() {
  case "$(value fill-volume)" in
    50[1-9]* | 5[1-9]* | 4*) echo "F-417  active   fill volume drifts, $(value fill-volume) ml instead of 500.0 ml" ;;
    *) echo "F-417  cleared  fill volume $(value fill-volume) ml" ;;
  esac
}

values() {
  echo "fill-volume  $(value fill-volume) ml   (480.0 to 520.0)"
  echo "cap-torque   $(value cap-torque) Nm   (1.20 to 2.40)"
}

setvalue() {
  case "$1" in
    fill-volume | cap-torque) ;;
    *) echo "set what? fill-volume or cap-torque"; return 2 ;;
  esac
  echo "$2" | grep -Eq '^[0-9]{1,3}(\.[0-9]{1,2})?$' || { echo "set $1 to which number?"; return 2; }
  low=480 high=520
  [ "$1" = fill-volume ] || low=1.2 high=2.4
  awk -v n="$2" -v l="$low" -v h="$high" 'BEGIN { exit !(n >= l && n <= h) }' ||
    { echo "$1 must lie within its limits; see values"; return 2; }
  sed "s/^$1 .*/$1 $2/" "$here/values" >"$here/values.new" && mv "$here/values.new" "$here/values"
  echo "$1 is $2"
}

# Until Ctrl-C, which ends no more than this.
trend() {
  n=0 stop=
  trap 'stop=1' INT
  while [ -z "$stop" ]; do
    n=$((n + 1))
    echo "bottle $n  $(value fill-volume) ml"
    sleep 1
  done
  trap - INT
  echo
}

run() {
  case "$1" in
    "") ;;
    alarms) alarms ;;
    values) values ;;
    set) setvalue "$2" "$3" ;;
    trend) trend ;;
    exit | quit) exit 0 ;;
    *) echo "alarms | values | set NAME VALUE | trend | exit" ;;
  esac
}

[ $# -eq 0 ] || { run "$@"; exit; }
echo "FIL-1-PLC-01  filler controller, Fjord Dairy Kiel.  help shows the commands."
while printf 'FIL-1> ' && read -r words; do
  # shellcheck disable=SC2086 # words are words
  set -f -- $words
  run "$@"
done
