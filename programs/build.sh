#!/bin/bash
# Build the demonstration programs.
#
#   programs/build.sh                  RISC-V, static, musl  -> programs/bin/*.elf
#   programs/build.sh --musl OUTDIR    the same, into OUTDIR
#   programs/build.sh --glibc OUTDIR   RISC-V, static, glibc -> OUTDIR/*.elf
#   programs/build.sh --native OUTDIR  host compiler         -> OUTDIR/*
#
# Needs Debian's gcc-riscv64-linux-gnu (and libc6-dev-riscv64-cross for --glibc).
# musl's headers and archives come from the riscv64 build of Debian's musl-dev,
# fetched without touching the machine's own package state.  Knobs:
#   PAGEWRIGHT_MUSL    a directory already holding include/ and lib/ of riscv64 musl
#   PAGEWRIGHT_MIRROR  a Debian mirror to use instead of the one apt is set up with
#   CROSS, CC          cross tool prefix (riscv64-linux-gnu-), host compiler (cc)
#   KERNEL_HEADERS     include/ of the kernel's headers for riscv64 (/usr/riscv64-linux-gnu/include)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cross=${CROSS:-riscv64-linux-gnu-}
mode=${1:---musl}
out=${2:-}
case $mode in
  --musl) out=${out:-$here/bin} ;;
  --glibc | --native) [ -n "$out" ] || { echo "usage: $0 $mode OUTDIR" >&2; exit 2; } ;;
  *) sed -n '2,15s/^# \{0,1\}//p' "$0"; [ "$mode" = --help ] && exit 0; exit 2 ;;
esac
mkdir -p "$out"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -ffp-contract=off: a compiler may otherwise fuse a*b+c on one target only.
# -fno-stack-protector: musl's headers alone decide what the start code needs.
flags=(-std=c11 -O2 -Wall -Wextra -ffp-contract=off -frounding-math
       -fno-stack-protector -fno-asynchronous-unwind-tables -ffile-prefix-map="$here"=.)
riscv=(-march=rv64gc -mabi=lp64d)

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

# Fetch riscv64 musl-dev of Debian 13 with an apt whose state is all in $work.
fetch_musl() {
  local apt=$work/apt uri
  uri=$(mirror)
  mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,deb,root}
  : > "$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri trixie main" > "$apt/sources.list"
  chmod -R a+rX "$work"
  local opts=(-qq -o APT::Architecture=riscv64 -o APT::Architectures::=riscv64
    -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
    -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o APT::Update::Post-Invoke-Success= -o APT::Update::Post-Invoke=)
  apt-get "${opts[@]}" update >&2
  (cd "$apt/deb" && apt-get "${opts[@]}" download musl-dev >&2)
  dpkg-deb -x "$apt"/deb/musl-dev_*.deb "$apt/root"
  mkdir -p "$work/musl"
  cp -r "$apt/root/usr/include/riscv64-linux-musl" "$work/musl/include"
  cp -r "$apt/root/usr/lib/riscv64-linux-musl" "$work/musl/lib"
  # An older linker cannot read the newer compiler's debug sections: drop them.
  for f in "$work"/musl/lib/*.o "$work"/musl/lib/libc.a; do "${cross}strip" -g "$f"; done
}

names=()
sources=("$here"/*.c "$here"/bench/*.c "$here"/../test/oracle/linux/linux-oracle.c)
for s in "${sources[@]}"; do names+=("$(basename "$s" .c)"); done

case $mode in
  --native)
    for i in "${!sources[@]}"; do
      "${CC:-cc}" "${flags[@]}" -I"$here" -o "$out/${names[i]}" "${sources[i]}" -lm
    done
    ;;
  --glibc)
    for i in "${!sources[@]}"; do
      "${cross}gcc" "${flags[@]}" "${riscv[@]}" -static -s -I"$here" -o "$out/${names[i]}.elf" "${sources[i]}" -lm
    done
    ;;
  --musl)
    if [ -n "${PAGEWRIGHT_MUSL:-}" ]; then ln -s "$PAGEWRIGHT_MUSL" "$work/musl"; else fetch_musl; fi
    m=$work/musl
    libgcc=$("${cross}gcc" "${riscv[@]}" -print-libgcc-file-name)
    gccinc=$("${cross}gcc" -print-file-name=include)
    # The kernel's own headers (linux/*.h) come with the cross compiler's libc; musl's and gcc's are found before them.
    inc=(-nostdinc -isystem "$m/include" -isystem "$gccinc" -idirafter "${KERNEL_HEADERS:-/usr/riscv64-linux-gnu/include}" -I"$here")
    libs=(-Wl,--start-group "$m/lib/libc.a" "$libgcc" -Wl,--end-group "$m/lib/crtn.o")
    link=(-nostdlib -s -Wl,--gc-sections -Wl,--build-id=none)
    for i in "${!sources[@]}"; do
      "${cross}gcc" "${flags[@]}" "${riscv[@]}" "${inc[@]}" -fno-pie -no-pie -static "${link[@]}" \
        -o "$out/${names[i]}.elf" "$m/lib/crt1.o" "$m/lib/crti.o" "${sources[i]}" "${libs[@]}"
    done
    # The same hello as a static position-independent executable.
    "${cross}gcc" "${flags[@]}" "${riscv[@]}" "${inc[@]}" -fPIE -static-pie -Wl,--no-dynamic-linker -Wl,-z,text "${link[@]}" \
      -o "$out/hello-pie.elf" "$m/lib/rcrt1.o" "$m/lib/crti.o" "$here/hello.c" "${libs[@]}"
    ;;
esac
echo "built ${#names[@]} programs in $out"
