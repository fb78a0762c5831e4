// All system calls, by the number that RISC-V programs put in a7 (asm-generic; Linux specification 3.1).

import { ENOSYS } from '../../base/index.ts'
import type { Restart } from '../process/index.ts'
import { cachestat } from './cachestat.ts'
import type { Call } from './call.ts'
import { capget, capset } from './capabilities.ts'
import { dup, dup3, fcntl, flock, ioctl } from './descriptors.ts'
import { getdents } from './directory.ts'
import { futex } from './futex.ts'
import * as identity from './identity.ts'
import * as memory from './memory.ts'
import * as mempolicy from './mempolicy.ts'
import { mmap } from './mmap.ts'
import { close, closeRange, openat, pipe2 } from './open.ts'
import * as paths from './paths.ts'
import { pidfdOpen, pidfdSendSignal, processMadvise } from './pidFile.ts'
import { ppoll, pselect6 } from './poll.ts'
import { prctl } from './prctl.ts'
import * as processes from './processes.ts'
import { processVmReadv, processVmWritev } from './processVm.ts'
import * as rw from './readWrite.ts'
import { userfaultfd } from './userfaultfd.ts'
import { getrlimit, getrusage, prlimit64, setrlimit } from './resources.ts'
import * as scheduling from './scheduling.ts'
import * as shm from './shm.ts'
import * as signals from './signalCalls.ts'
import { fstat, fstatfs, newfstatat, statfs, statx } from './stat.ts'
import * as system from './system.ts'
import * as time from './time.ts'

export interface TableEntry {
  readonly name: string
  readonly call: Call
  /** What an interrupted call does when a signal was handled, or was none after all. */
  readonly restart: Restart
}
const notBuilt = (): number => ENOSYS
type Row = readonly [number: number, name: string, call: Call, restart?: Restart]
const AGAIN: Restart = 'unless handled'
const NO_HANDLER: Restart = 'unless any handler'

// prettier-ignore
const ROWS: readonly Row[] = [
  // files
  [17, 'getcwd', paths.getcwd], [23, 'dup', dup], [24, 'dup3', dup3], [25, 'fcntl', fcntl, AGAIN], [29, 'ioctl', ioctl, AGAIN],
  [32, 'flock', flock, AGAIN], [33, 'mknodat', paths.mknodat], [34, 'mkdirat', paths.mkdirat],
  [35, 'unlinkat', paths.unlinkat], [36, 'symlinkat', paths.symlinkat], [37, 'linkat', paths.linkat],
  [43, 'statfs', statfs], [44, 'fstatfs', fstatfs], [45, 'truncate', paths.truncate],
  [46, 'ftruncate', paths.ftruncate], [47, 'fallocate', paths.fallocate], [48, 'faccessat', paths.faccessat],
  [49, 'chdir', paths.chdir], [50, 'fchdir', paths.fchdir], [52, 'fchmod', paths.fchmod],
  [53, 'fchmodat', paths.fchmodat], [54, 'fchownat', paths.fchownat], [55, 'fchown', paths.fchown],
  [56, 'openat', openat, AGAIN], [57, 'close', close], [59, 'pipe2', pipe2], [61, 'getdents64', getdents],
  [62, 'lseek', rw.lseek], [63, 'read', rw.read, AGAIN], [64, 'write', rw.write, AGAIN],
  [65, 'readv', rw.readv, AGAIN], [66, 'writev', rw.writev, AGAIN], [67, 'pread64', rw.pread, AGAIN],
  [68, 'pwrite64', rw.pwrite, AGAIN], [69, 'preadv', rw.preadv, AGAIN], [70, 'pwritev', rw.pwritev, AGAIN],
  [71, 'sendfile', rw.sendfile, AGAIN], [72, 'pselect6', pselect6, NO_HANDLER], [73, 'ppoll', ppoll, NO_HANDLER],
  [78, 'readlinkat', paths.readlinkat], [79, 'newfstatat', newfstatat], [80, 'fstat', fstat], [81, 'sync', paths.sync],
  [82, 'fsync', paths.fsync], [83, 'fdatasync', paths.fsync], [84, 'sync_file_range', paths.fsync],
  [88, 'utimensat', paths.utimensat], [166, 'umask', paths.umask], [223, 'fadvise64', paths.fadvise64],
  [267, 'syncfs', paths.syncfs], [276, 'renameat2', paths.renameat2], [285, 'copy_file_range', rw.copyFileRange],
  [286, 'preadv2', rw.preadv2, AGAIN], [287, 'pwritev2', rw.pwritev2, AGAIN], [291, 'statx', statx],
  [436, 'close_range', closeRange], [439, 'faccessat2', paths.faccessat2],
  // memory
  [214, 'brk', memory.brk], [215, 'munmap', memory.munmap], [216, 'mremap', memory.mremap], [222, 'mmap', mmap],
  [226, 'mprotect', memory.mprotect], [227, 'msync', memory.msync], [228, 'mlock', memory.mlock],
  [229, 'munlock', memory.munlock], [230, 'mlockall', memory.mlockall], [231, 'munlockall', memory.munlockall],
  [232, 'mincore', memory.mincore], [233, 'madvise', memory.madvise], [234, 'remap_file_pages', memory.remapPages],
  [279, 'memfd_create', memory.memfdCreate], [283, 'membarrier', memory.membarrier], [284, 'mlock2', memory.mlock2],
  [288, 'pkey_mprotect', memory.pkeyMprotect], [462, 'mseal', memory.mseal],
  [270, 'process_vm_readv', processVmReadv], [271, 'process_vm_writev', processVmWritev],
  [194, 'shmget', shm.shmget], [195, 'shmctl', shm.shmctl], [196, 'shmat', shm.shmat], [197, 'shmdt', shm.shmdt],
  [289, 'pkey_alloc', memory.pkeyAlloc], [290, 'pkey_free', memory.pkeyFree], [451, 'cachestat', cachestat],
  [440, 'process_madvise', processMadvise], [434, 'pidfd_open', pidfdOpen],
  [424, 'pidfd_send_signal', pidfdSendSignal], [282, 'userfaultfd', userfaultfd], [235, 'mbind', mempolicy.mbind], [236, 'get_mempolicy', mempolicy.getMempolicy],
  [237, 'set_mempolicy', mempolicy.setMempolicy], [238, 'migrate_pages', mempolicy.migratePages],
  [239, 'move_pages', mempolicy.movePages], [450, 'set_mempolicy_home_node', mempolicy.setHomeNode],
  // processes
  [93, 'exit', processes.exit], [94, 'exit_group', processes.exitGroup],
  [95, 'waitid', processes.waitid, AGAIN], [96, 'set_tid_address', processes.setTidAddress],
  [98, 'futex', futex, AGAIN], [99, 'set_robust_list', processes.setRobustList],
  [100, 'get_robust_list', processes.getRobustList], [220, 'clone', processes.clone],
  [221, 'execve', processes.execve], [260, 'wait4', processes.wait4, AGAIN],
  [281, 'execveat', processes.execveat], [435, 'clone3', processes.clone3], [293, 'rseq', system.rseq],
  [118, 'sched_setparam', scheduling.schedSetparam], [119, 'sched_setscheduler', scheduling.schedSetscheduler],
  [120, 'sched_getscheduler', scheduling.schedGetscheduler], [121, 'sched_getparam', scheduling.schedGetparam],
  [122, 'sched_setaffinity', scheduling.schedSetaffinity], [123, 'sched_getaffinity', scheduling.schedGetaffinity],
  [124, 'sched_yield', scheduling.schedYield], [125, 'sched_get_priority_max', scheduling.schedPriorityMax],
  [126, 'sched_get_priority_min', scheduling.schedPriorityMin],
  [127, 'sched_rr_get_interval', scheduling.schedRrGetInterval], [140, 'setpriority', scheduling.setpriority],
  [141, 'getpriority', scheduling.getpriority], [168, 'getcpu', scheduling.getcpu],
  [163, 'getrlimit', getrlimit], [164, 'setrlimit', setrlimit], [165, 'getrusage', getrusage],
  [261, 'prlimit64', prlimit64], [167, 'prctl', prctl], [90, 'capget', capget], [91, 'capset', capset], [92, 'personality', system.personality],
  // signals
  [129, 'kill', signals.kill], [130, 'tkill', signals.tkill], [131, 'tgkill', signals.tgkill],
  [132, 'sigaltstack', signals.sigaltstack], [133, 'rt_sigsuspend', signals.sigsuspend, NO_HANDLER],
  [134, 'rt_sigaction', signals.sigaction], [135, 'rt_sigprocmask', signals.sigprocmask],
  [136, 'rt_sigpending', signals.sigpending], [137, 'rt_sigtimedwait', signals.sigtimedwait],
  [138, 'rt_sigqueueinfo', signals.sigqueueinfo], [139, 'rt_sigreturn', signals.sigreturn],
  // identity
  [143, 'setregid', identity.setregid], [144, 'setgid', identity.setgid], [145, 'setreuid', identity.setreuid],
  [146, 'setuid', identity.setuid], [147, 'setresuid', identity.setresuid], [148, 'getresuid', identity.getresuid],
  [149, 'setresgid', identity.setresgid], [150, 'getresgid', identity.getresgid], [154, 'setpgid', identity.setpgid],
  [155, 'getpgid', identity.getpgid], [156, 'getsid', identity.getsid], [157, 'setsid', identity.setsid],
  [158, 'getgroups', identity.getgroups], [159, 'setgroups', identity.setgroups], [172, 'getpid', identity.getpid],
  [173, 'getppid', identity.getppid], [174, 'getuid', identity.getuid], [175, 'geteuid', identity.geteuid],
  [176, 'getgid', identity.getgid], [177, 'getegid', identity.getegid], [178, 'gettid', identity.gettid],
  // time
  [101, 'nanosleep', time.nanosleep, NO_HANDLER], [102, 'getitimer', time.getitimer],
  [103, 'setitimer', time.setitimer], [112, 'clock_settime', time.clockSettime],
  [113, 'clock_gettime', time.clockGettime], [114, 'clock_getres', time.clockGetres],
  [115, 'clock_nanosleep', time.clockNanosleep, NO_HANDLER], [153, 'times', time.times],
  [169, 'gettimeofday', time.gettimeofday],
  // system
  [116, 'syslog', system.syslog], [160, 'uname', system.uname], [161, 'sethostname', system.sethostname],
  [179, 'sysinfo', system.sysinfo], [258, 'riscv_hwprobe', system.riscvHwprobe],
  [259, 'riscv_flush_icache', system.riscvFlushIcache], [278, 'getrandom', system.getrandom],
]

/** Beyond the largest number. */
const TABLE_SIZE = 512
const UNKNOWN: TableEntry = { name: 'unknown', call: notBuilt, restart: 'no' }
const TABLE: readonly TableEntry[] = buildTable()

function buildTable(): TableEntry[] {
  const table = Array.from({ length: TABLE_SIZE }, () => UNKNOWN)
  for (const [number, name, call, restart = 'no'] of ROWS) table[number] = { name, call, restart }
  return table
}

/** What a number means; a call that is not there answers ENOSYS. */
export function syscallOf(number: number): TableEntry {
  return TABLE[number] ?? UNKNOWN
}
