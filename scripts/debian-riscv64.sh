#!/bin/bash
# Unpack riscv64 packages of Debian 13, with all they depend on, into a directory.
#
#   scripts/debian-riscv64.sh DIR PACKAGE...
#
# Nothing is installed: apt resolves and downloads with a state of its own, and no maintainer script is run.
# Knob: PAGEWRIGHT_MIRROR, a Debian mirror to use instead of the one that this machine's apt is set up with.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
dir=$1
shift
for tool in apt-get dpkg-deb; do
  command -v "$tool" > /dev/null || { echo "$0: needs $tool, which Debian and its kin have" >&2; exit 1; }
done

# The mirror that this machine's apt uses for its own release.
mirror() {
  if [ -n "${PAGEWRIGHT_MIRROR:-}" ]; then echo "$PAGEWRIGHT_MIRROR"; return; fi
  local codename uri
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  uri=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v want="$codename" '$1 == want && $2 == "main" { print $3; exit }')
  [ -n "$uri" ] || { echo "no Debian mirror found: set PAGEWRIGHT_MIRROR" >&2; return 1; }
  echo "$uri"
}

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
uri=$(mirror)
mkdir -p "$apt"/{state/lists/partial,cache/archives/partial}
: > "$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" > "$apt/sources.list"
chmod -R a+rX "$apt"
opts=(-qq -o APT::Architecture=riscv64 -o APT::Architectures::=riscv64
  -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
  -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
  -o Acquire::Languages=none -o APT::Update::Post-Invoke-Success= -o APT::Update::Post-Invoke=)
apt-get "${opts[@]}" update >&2
apt-get "${opts[@]}" --download-only --no-install-recommends --yes -o Debug::NoLocking=1 install "$@" >&2
mkdir -p "$dir"
for deb in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$dir"; done
