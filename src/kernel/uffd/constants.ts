/** Flag of userfaultfd(2): faults of system calls are not told of. */
export const UFFD_USER_MODE_ONLY = 1

export const UFFD_API = 0xaa
/** REGISTER 0, UNREGISTER 1, API 63. */
export const UFFD_API_IOCTLS = 0x8000_0000_0000_0003n

// Features of UFFDIO_API. There is no hugetlbfs, so what is offered for it holds of every file of it.
export const UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1 << 0
export const UFFD_FEATURE_EVENT_FORK = 1 << 1
export const UFFD_FEATURE_EVENT_REMAP = 1 << 2
export const UFFD_FEATURE_EVENT_REMOVE = 1 << 3
export const UFFD_FEATURE_MISSING_HUGETLBFS = 1 << 4
export const UFFD_FEATURE_MISSING_SHMEM = 1 << 5
export const UFFD_FEATURE_EVENT_UNMAP = 1 << 6
export const UFFD_FEATURE_SIGBUS = 1 << 7
export const UFFD_FEATURE_THREAD_ID = 1 << 8
export const UFFD_FEATURE_MINOR_HUGETLBFS = 1 << 9
export const UFFD_FEATURE_MINOR_SHMEM = 1 << 10
export const UFFD_FEATURE_EXACT_ADDRESS = 1 << 11
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12
export const UFFD_FEATURE_WP_UNPOPULATED = 1 << 13
export const UFFD_FEATURE_POISON = 1 << 14
export const UFFD_FEATURE_WP_ASYNC = 1 << 15
export const UFFD_FEATURE_MOVE = 1 << 16
/** All of them. */
export const UFFD_FEATURES = 0x1ffff

// Of a range: what REGISTER answers, one bit for each ioctl.
export const UFFD_WAKE = 1 << 2
export const UFFD_COPY = 1 << 3
export const UFFD_ZEROPAGE = 1 << 4
export const UFFD_MOVE = 1 << 5
export const UFFD_WRITEPROTECT = 1 << 6
export const UFFD_CONTINUE = 1 << 7
export const UFFD_POISON = 1 << 8
export const UFFD_RANGE_IOCTLS =
  UFFD_WAKE | UFFD_COPY | UFFD_ZEROPAGE | UFFD_MOVE | UFFD_WRITEPROTECT | UFFD_CONTINUE | UFFD_POISON
