#!/bin/bash
# Run the test matrix (matrix.json) on this machine and, where qemu-riscv64 is
# installed, on the RISC-V builds; all output must equal expected/*.txt.
#
#   programs/check.sh              check
#   programs/check.sh --record     write expected/*.txt from the native build first
#
# qemu is given 64 GiB of guest addresses: it keeps a record for each reserved
# page, so the terabyte that sparse asks for first would cost it gigabytes.
# Not for signals: qemu would then tell a wrong si_code for unmapped pages.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$here/build.sh" --native "$tmp/native" >&2
qemu=$(command -v qemu-riscv64 || true)
kinds=(native)
if [ -n "$qemu" ]; then
  kinds+=(musl)
  if "$here/build.sh" --glibc "$tmp/glibc" >&2; then kinds+=(glibc); fi
fi

# One line a case: name, elf, expected, exit code, then the arguments.
node -e '
  const fs = require("fs");
  for (const p of JSON.parse(fs.readFileSync(process.argv[1], "utf8")).programs)
    console.log([p.name, p.elf, p.expected, p.exitCode, ...p.smallArgs].join("\t"));
' "$here/matrix.json" > "$tmp/cases"

passed=0 failed=0
while IFS=$'\t' read -r name elf expected code args; do
  IFS=$'\t' read -ra argv <<< "$args"
  base=$(basename "$elf")
  source=${base%.elf}
  source=${source%-pie}
  window=(-R 64G)
  [ "$name" = signals ] && window=()
  for kind in "${kinds[@]}"; do
    case $kind in
      native) run=("$tmp/native/$source") ;;
      musl) run=("$qemu" "${window[@]}" "$here/$elf") ;;
      glibc) run=("$qemu" "${window[@]}" "$tmp/glibc/$source.elf") ;;
    esac
    got=0
    env -u PAGEWRIGHT_GREETING "${run[@]}" "${argv[@]}" > "$tmp/out" < /dev/null || got=$?
    if [ "${1:-}" = --record ] && [ "$kind" = native ]; then cp "$tmp/out" "$here/$expected"; fi
    if [ "$got" = "$code" ] && cmp -s "$tmp/out" "$here/$expected"; then
      passed=$((passed + 1))
    else
      echo "$name ($kind): exit code $got, output differs from $expected or code from $code"
      failed=$((failed + 1))
    fi
  done
done < "$tmp/cases"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
