// Every text of --help. A test holds them to 100 columns and to the options that are really read.

export const USAGE = `Usage: pagewright COMMAND [options]

Runs unmodified RISC-V Linux programs on a simulated virtual memory, and says what that memory did.

Commands:
  run PROGRAM [ARGS...]   run one program; its streams and exit code pass through
  oracle FILES...         compare our answers to memory system calls with a real kernel's
  demo                    a tour of a few seconds, with a report (what \`npm start\` does)
  help [COMMAND]          this text, or that of a command

Options:
  -h, --help              this text; after a command, the text of that command
  -V, --version           the version

Examples:
  pagewright run programs/bin/hello.elf 3
  pagewright run --report --tlb 16 programs/bin/sort.elf 20
  pagewright help run
`

export const RUN_USAGE = `Usage: pagewright run [options] PROGRAM [ARGS...]

Runs PROGRAM, a RISC-V 64 Linux executable, until it ends: static, static-PIE, or dynamic if the
libraries are mounted. Options stand before PROGRAM; whatever follows it belongs to the program.
Standard input, output and error and the exit code are the program's own. Ctrl-C interrupts it; a
second one ends it at once.

The machine:
  --memory SIZE           RAM, such as 64M or 1G (default 256M; 4M to 16G)
  --swap SIZE             a swap device, such as 64M, with the time of a disk (default none); may be
                          repeated. Memory that does not fit goes there and comes back.
  --cpus N                CPUs (default 1; up to 32)
  --nodes N               memory nodes that RAM and CPUs are dealt out to (default 1; up to 16)
  --tlb ENTRIES[xWAYS]    TLB of each CPU, such as 64 or 64x4 (default 64, fully associative)
  --pages FORMAT          page tables: sv39 or sv48 (default sv48)
  --large-pages WHEN      fill private memory 2 MiB at a time and map it with one entry: never,
                          madvise (where the program advises it; default) or always
  --seed N                seed of scheduling and of everything random (default 1); the same seed,
                          program and input give the same run
  --turn N                instructions a thread runs before another one may (default 20000)

What the program sees:
  --mount HOSTDIR[:GUESTDIR][:rw]
                          show a directory of this computer, read-only unless rw (default GUESTDIR:
                          /mnt); may be repeated. The program reaches nothing else of this computer.
                          At / it is the root of all files, and PROGRAM a path in it.
  --env NAME=VALUE        set an environment variable; may be repeated. Others are not inherited.
  --cwd GUESTDIR          directory the program starts in (default /)

What it did:
  --report[=FORMAT]       after the end, report what the virtual memory did to standard error, as
                          text (default) or json, which docs/report.md describes
  --report-file FILE      write the report to FILE instead (implies --report)
  --show PATH             as the program ends, its memory still being there, write to standard error
                          what PATH, a file of /proc or /sys, says; may be repeated. /proc/self is
                          the program
  --show-file FILE        write it to FILE instead

  -h, --help              this text

Exit code: the program's own; 128 + N if signal N ended it (139 for SIGSEGV, 130 for Ctrl-C); 2 if
it could not be started or an option is wrong, with one line on standard error.

Examples:
  pagewright run programs/bin/hello.elf 3
  pagewright run --report --cpus 4 --pages sv39 programs/bin/forkcow.elf 64
  pagewright run --memory 8M --swap 64M --report programs/bin/forkcow.elf 2048
  pagewright run --tlb 64x4 --seed 7 --report=json --report-file run.json programs/bin/sort.elf
  pagewright run --mount .:/work:rw --cwd /work programs/bin/sharedfile.elf 64 /work
  pagewright run --mount /usr/riscv64-linux-gnu/lib:/lib ./my-dynamic-program
  pagewright run --mount ./debian:/ /usr/bin/free -w
  pagewright run --show /proc/self/smaps --show /proc/meminfo programs/bin/sort.elf 20
  echo 'some text' | pagewright run --env LANG=C ./my-program -v
`

export const DEMO_USAGE = `Usage: pagewright demo [options]

Runs programs/bin/showcase.elf, a tour through heap, sparse memory, copy-on-write, shared memory and
plain work, prints the report of what the virtual memory did, and says what to type next. It takes
some seconds. Options are those of \`pagewright run\` that describe the machine.

Options:
  --memory SIZE, --swap SIZE, --cpus N, --nodes N, --tlb ENTRIES[xWAYS], --pages FORMAT,
  --large-pages WHEN, --seed N, --turn N
                          see \`pagewright help run\`
  -h, --help              this text

Examples:
  pagewright demo
  pagewright demo --tlb 4 --cpus 4
`

export const ORACLE_USAGE = `Usage: pagewright oracle [options] FILES...
       pagewright oracle --live [options]

Gives our kernel the commands of recordings and compares its answers with the recorded ones of a real
Linux kernel. Prints, by profile, how many operations agree and differ; of the first differences the
commands before, both answers and both maps. FILES are recordings, plain or gzip: one sequence in
JSON a line, as test/oracle/linux/README.md describes.

With --live random sequences are made and the kernel of this computer is asked. A difference is
shrunk to the shortest sequence found that shows it. That needs Linux 6.18 or newer and a C compiler.

Options:
  --level N               what must agree: 1 return values, errors, maps and contents; 2 and what is
                          resident (smaps, mincore); 3 and the number of faults (default 3)
  --inside                run the oracle's helper itself on our kernel, as a RISC-V program, and give it
                          the commands (two seconds a sequence)
  --live                  ask this computer's kernel instead of reading files
  --seed N                seed of the random sequences (default 1); the same seed, the same sequences
  --ops N                 random operations in all, 200 a sequence (default 20000)

  -h, --help              this text

Exit code: 0 if all agree, 1 if anything differs, 2 if a file is no recording or an option is wrong,
3 if this computer has no kernel that can be asked.

Examples:
  pagewright oracle test/oracle/linux/recordings/*.gz
  pagewright oracle --level 1 my-recording.jsonl
  pagewright oracle --live --seed 42 --ops 100000
`

export const USAGES: Readonly<Record<string, string>> = {
  run: RUN_USAGE,
  oracle: ORACLE_USAGE,
  demo: DEMO_USAGE,
}
