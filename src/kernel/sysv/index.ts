/**
 * sysv: memory that processes share by key. A segment is a memory file with a number; an attachment is what an address
 * space shows of it.
 *
 *   key ──► Segment ──► MemoryObject ◄── map entries
 *              ▲                            │ file
 *              └────────── Attachment ◄─────┘       one for each shmat
 *
 * Invariants
 *  - `attached` counts the map entries, in all address spaces, whose file is an attachment of the segment;
 *  - a segment that was removed has no key, and goes with its last map entry.
 *
 * Locks: none of its own; shmat and shmdt take the map lock. Manuals: shmget(2), shmat(2), shmctl(2), Linux.
 */
export { Attachment, Segment, type Permissions } from './segment.ts'
export { type PromiseMemory, Segments, SHM_ALL, SHM_COUNT_MAX, SHM_MAX, type Owner } from './segments.ts'
export { SHM_EXEC, SHM_RDONLY, SHM_REMAP, SHM_RND, shmat } from './shmat.ts'
export { shmdt } from './shmdt.ts'
