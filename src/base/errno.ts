// Errors are integers, always negative, with Linux's numbers (DESIGN.md, decision 15).

declare const errBrand: unique symbol
/** A negative errno, -4095 … -1. */
export type Err = number & { readonly [errBrand]: 'errno' }
export type OrErr<T> = T | Err

const NAMES = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  EDOM: 33,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  ELIBBAD: 80,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
} as const
export type ErrnoName = keyof typeof NAMES

const neg = (n: number): Err => -n as Err
export const EPERM = neg(1),
  ENOENT = neg(2),
  ESRCH = neg(3),
  EINTR = neg(4),
  EIO = neg(5),
  ENXIO = neg(6)
export const E2BIG = neg(7),
  ENOEXEC = neg(8),
  EBADF = neg(9),
  ECHILD = neg(10),
  EAGAIN = neg(11),
  ENOMEM = neg(12)
export const EACCES = neg(13),
  EFAULT = neg(14),
  EBUSY = neg(16),
  EEXIST = neg(17),
  EXDEV = neg(18),
  ENODEV = neg(19)
export const ENOTDIR = neg(20),
  EISDIR = neg(21),
  EINVAL = neg(22),
  ENFILE = neg(23),
  EMFILE = neg(24),
  ENOTTY = neg(25)
export const ETXTBSY = neg(26),
  EFBIG = neg(27),
  ENOSPC = neg(28),
  ESPIPE = neg(29),
  EROFS = neg(30),
  EMLINK = neg(31)
export const EPIPE = neg(32),
  EDOM = neg(33),
  ERANGE = neg(34),
  EDEADLK = neg(35),
  ENAMETOOLONG = neg(36)
export const ENOSYS = neg(38),
  ENOTEMPTY = neg(39),
  ELOOP = neg(40),
  ENODATA = neg(61),
  EOVERFLOW = neg(75)
export const ELIBBAD = neg(80),
  EOPNOTSUPP = neg(95),
  ETIMEDOUT = neg(110)

/** Narrows a value to an error. No address is one: the top page of the kernel half is never mapped. */
export function isErr(x: unknown): x is Err {
  return typeof x === 'number' && x < 0 && x >= -4095
}

const byNumber = new Map<number, string>(Object.entries(NAMES).map(([name, n]) => [n, name]))
/** `errName(-12)` is "ENOMEM". */
export const errName = (e: number): string => byNumber.get(-e) ?? `errno ${-e}`
