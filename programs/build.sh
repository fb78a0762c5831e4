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
# fetched by scripts/debian-riscv64.sh.  Knobs:
#   PAGEWRIGHT_MUSL    a directory already holding include/ and lib/ of riscv64 musl
#   PAGEWRIGHT_MIRROR  read by scripts/debian-riscv64.sh
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

# Fetch the riscv64 build of Debian 13's musl-dev.
fetch_musl() {
  local root=$work/root
  "$here/../scripts/debian-riscv64.sh" "$root" musl-dev
  mkdir -p "$work/musl"
  cp -r "$root/usr/include/riscv64-linux-musl" "$work/musl/include"
  cp -r "$root/usr/lib/riscv64-linux-musl" "$work/musl/lib"
  # An older linker cannot read the newer compiler's debug sections: drop them.
  for f in "$work"/musl/lib/*.o "$work"/musl/lib/libc.a; do "${cross}strip" -g "$f"; done
}

names=()
declare -A single
for s in "$here"/*.c "$here"/bench/*.c "$here"/../test/oracle/linux/linux-oracle.c; do
  name=$(basename "$s" .c)
  names+=("$name")
  single[$name]=$s
done
names+=(probe)
# Sets src to what makes a program: one file, or for NAME all files of the folder NAMEs.
# Such a program lies where it leaves the lowest addresses free, which probes map.
sources_of() {
  src=("${single[$1]:-}")
  place=()
  [ -n "${src[0]}" ] || { src=("$here/$1s"/*.c); place=(-Wl,-Ttext-segment=0x400000); }
}

case $mode in
  --native)
    for name in "${names[@]}"; do
      sources_of "$name"
      "${CC:-cc}" "${flags[@]}" -I"$here" -o "$out/$name" "${src[@]}" -lm
    done
    ;;
  --glibc)
    for name in "${names[@]}"; do
      sources_of "$name"
      "${cross}gcc" "${flags[@]}" "${riscv[@]}" -static -s "${place[@]}" -I"$here" -o "$out/$name.elf" "${src[@]}" -lm
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
    for name in "${names[@]}"; do
      sources_of "$name"
      "${cross}gcc" "${flags[@]}" "${riscv[@]}" "${inc[@]}" -fno-pie -no-pie -static "${link[@]}" "${place[@]}" \
        -o "$out/$name.elf" "$m/lib/crt1.o" "$m/lib/crti.o" "${src[@]}" "${libs[@]}"
    done
    # The same hello as a static position-independent executable.
    "${cross}gcc" "${flags[@]}" "${riscv[@]}" "${inc[@]}" -fPIE -static-pie -Wl,--no-dynamic-linker -Wl,-z,text "${link[@]}" \
      -o "$out/hello-pie.elf" "$m/lib/rcrt1.o" "$m/lib/crti.o" "$here/hello.c" "${libs[@]}"
    ;;
esac
echo "built ${#names[@]} programs in $out"
