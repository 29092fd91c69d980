#!/usr/bin/env bash
# What `npm test` needs besides Node: finds it, or installs it with apt-get (as root) or brew.
# Elsewhere it says what to install and exits 1. When everything is there it does nothing and is quick.
set -u

# command | Debian package | brew formula
needs="
redis-server|redis-server|redis
redis-cli|redis-tools|redis
openssl|openssl|openssl
curl|curl|curl
nginx|nginx-light|nginx
tmux|tmux|tmux
zsh|zsh|zsh
fish|fish|fish
man|man-db|man-db
groff|groff-base|groff
chromium|chromium|chromium
"

missing_commands=()
debian_packages=()
brew_formulas=()
find_missing() {
  missing_commands=()
  debian_packages=()
  brew_formulas=()
  local command debian brew
  while IFS='|' read -r command debian brew; do
    [ -n "$command" ] || continue
    command -v "$command" >/dev/null 2>&1 && continue
    missing_commands+=("$command")
    debian_packages+=("$debian")
    case " ${brew_formulas[*]-} " in *" $brew "*) ;; *) brew_formulas+=("$brew") ;; esac
  done <<<"$needs"
}

find_missing
[ "${#missing_commands[@]}" -eq 0 ] && exit 0
echo "The tests need: ${missing_commands[*]}" >&2

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
  echo "Installing with apt-get: ${debian_packages[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  # The tests start their own servers; the one that Debian starts at installation is not wanted.
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made_policy=yes
  fi
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends "${debian_packages[@]}" >&2
  [ "$made_policy" = yes ] && rm -f "$policy"
elif command -v brew >/dev/null 2>&1; then
  echo "Installing with brew: ${brew_formulas[*]}" >&2
  brew install --quiet "${brew_formulas[@]}" >&2
fi

find_missing
[ "${#missing_commands[@]}" -eq 0 ] && exit 0
{
  echo "Still missing: ${missing_commands[*]}"
  if command -v apt-get >/dev/null 2>&1; then
    echo "Install it and try again:  sudo apt-get install -y ${debian_packages[*]}"
  elif command -v brew >/dev/null 2>&1; then
    echo "Install it and try again:  brew install ${brew_formulas[*]}"
  else
    echo "Install Redis 6.2 or later (or Valkey, with its commands named redis-server and redis-cli), OpenSSL, curl and nginx"
    echo "with your package manager, so that these commands are on the PATH, and try again."
  fi
} >&2
exit 1
