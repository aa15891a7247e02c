# Packages of integration/packages, installed where they are missing.

# install_packages FILE PURPOSE...
install_packages() {
  local file=$1 purpose package wanted missing=()
  shift
  while read -r purpose package _; do
    for wanted in "$@"; do
      if [[ $purpose == "$wanted" ]] && ! is_installed "$package"; then
        missing+=("$package")
      fi
    done
  done <"$file"
  if [[ ${#missing[@]} == 0 ]]; then
    return
  fi
  echo "Installing ${missing[*]}"
  if [[ $(id -u) != 0 ]]; then
    echo "run as root to install them, or install them yourself" >&2
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  without_services apt_get_install "${missing[@]}"
}

apt_get_install() {
  # The lists of packages may be old, or, on a new machine, not there.
  apt-get install --yes --quiet --no-install-recommends "$@" >/dev/null 2>&1 ||
    { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends "$@"; }
}

# without_services COMMAND...: the packages it installs start no services (invoke-rc.d(8)): tests want the programs.
without_services() (
  decider=/usr/sbin/policy-rc.d
  # The machine's own stays.
  if [[ ! -e $decider ]]; then
    trap 'rm -f "$decider"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$decider"
    chmod 755 "$decider"
  fi
  "$@"
)

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}
