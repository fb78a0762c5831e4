// Numbers of the RISC-V Linux ABI that concern files (asm-generic values).

// st_mode: type in bits 12-15, set-id and sticky in 9-11, permissions below.
export const S_IFMT = 0o170000
export const S_IFIFO = 0o010000
export const S_IFCHR = 0o020000
export const S_IFDIR = 0o040000
export const S_IFREG = 0o100000
export const S_IFLNK = 0o120000
export const S_ISUID = 0o4000
export const S_ISGID = 0o2000
export const S_ISVTX = 0o1000
export const S_IXGRP = 0o010

// open(2) flags. The two low bits are the access mode.
export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_ACCMODE = 3
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_NOCTTY = 0o400
export const O_TRUNC = 0o1000
export const O_APPEND = 0o2000
export const O_NONBLOCK = 0o4000
export const O_DSYNC = 0o10000
export const O_DIRECT = 0o40000
export const O_LARGEFILE = 0o100000
export const O_DIRECTORY = 0o200000
export const O_NOFOLLOW = 0o400000
export const O_NOATIME = 0o1000000
export const O_CLOEXEC = 0o2000000
export const O_SYNC = 0o4010000
export const O_PATH = 0o10000000
/** Includes O_DIRECTORY. */
export const O_TMPFILE = 0o20200000
/** Flags that fcntl(F_SETFL) may change. */
export const O_SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME

// lseek(2)
export const SEEK_SET = 0
export const SEEK_CUR = 1
export const SEEK_END = 2
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

// fallocate(2)
export const FALLOC_FL_KEEP_SIZE = 1
export const FALLOC_FL_PUNCH_HOLE = 2

// memfd_create(2) and the seals of F_ADD_SEALS
export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2
export const MFD_HUGETLB = 4
export const MFD_NOEXEC_SEAL = 8
export const MFD_EXEC = 0x10
export const F_SEAL_SEAL = 1
export const F_SEAL_SHRINK = 2
export const F_SEAL_GROW = 4
export const F_SEAL_WRITE = 8
export const F_SEAL_FUTURE_WRITE = 0x10
export const F_SEAL_EXEC = 0x20

// poll(2) events
export const POLLIN = 1
export const POLLOUT = 4
export const POLLERR = 8
export const POLLHUP = 0x10

// renameat2(2)
export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2

// access(2) bits, as in a permission triple
export const MAY_EXEC = 1
export const MAY_WRITE = 2
export const MAY_READ = 4

/** Longest name of one component, and longest path with its final NUL, in bytes. */
export const NAME_MAX = 255
export const PATH_MAX = 4096
/** Symbolic links followed in one walk before ELOOP. */
export const SYMLINK_LIMIT = 40
/** File positions stay exact: the largest size of a file. */
export const MAX_FILE_BYTES = 2 ** 53 - 1
