// Features of UFFDIO_API. Huge pages do not exist here, so what is offered for them holds of every one.
export const UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1 << 0
export const UFFD_FEATURE_EVENT_FORK = 1 << 1
export const UFFD_FEATURE_MISSING_HUGETLBFS = 1 << 4
export const UFFD_FEATURE_MISSING_SHMEM = 1 << 5
export const UFFD_FEATURE_SIGBUS = 1 << 7
export const UFFD_FEATURE_THREAD_ID = 1 << 8
export const UFFD_FEATURE_MINOR_HUGETLBFS = 1 << 9
export const UFFD_FEATURE_MINOR_SHMEM = 1 << 10
export const UFFD_FEATURE_EXACT_ADDRESS = 1 << 11
export const UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12
export const UFFD_FEATURE_WP_UNPOPULATED = 1 << 13
export const UFFD_FEATURE_POISON = 1 << 14
export const UFFD_FEATURE_MOVE = 1 << 16
export const UFFD_FEATURES =
  UFFD_FEATURE_PAGEFAULT_FLAG_WP |
  UFFD_FEATURE_MISSING_HUGETLBFS |
  UFFD_FEATURE_MISSING_SHMEM |
  UFFD_FEATURE_SIGBUS |
  UFFD_FEATURE_THREAD_ID |
  UFFD_FEATURE_MINOR_HUGETLBFS |
  UFFD_FEATURE_MINOR_SHMEM |
  UFFD_FEATURE_EXACT_ADDRESS |
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
  UFFD_FEATURE_WP_UNPOPULATED |
  UFFD_FEATURE_POISON |
  UFFD_FEATURE_MOVE

// Of a range: what REGISTER answers, one bit for each ioctl.
export const UFFD_WAKE = 1 << 2
export const UFFD_COPY = 1 << 3
export const UFFD_ZEROPAGE = 1 << 4
export const UFFD_MOVE = 1 << 5
export const UFFD_WRITEPROTECT = 1 << 6
export const UFFD_CONTINUE = 1 << 7
export const UFFD_POISON = 1 << 8
