/**
 * migrate: a page that is in use moves to another frame, and nobody notices.
 *
 *   phys (compaction, contiguous ranges) ──Reclaimer──► Migrator
 *                                                         │ isolateLru: a reference of its own, off every list
 *                                                         ▼ migrate
 *      anon's page     object's page      file's page     what names the page: anon, or slot of the object's index
 *           └───────────────┴──────────────────┴────────► every translation of it (pmapReplacePage), bytes, state
 *
 * Key type: Migrator, the part of phys' Reclaimer upcall that moves pages. Boot binds it.
 *
 * Invariants
 *  - A page moves at one instant: no processor and no thread sees it in two places, or in none.
 *  - A page moves only if its owner, its mappings and the isolation are all that refers to it. Whoever needs a pfn across
 *    a sleep holds a reference, and so keeps the page where it is.
 *  - A page that is loaned, or that its owner has locked or is writing, does not move.
 *  - Wiring keeps a page resident, not in place: a wired page moves.
 *
 * Locks: the page lock of file pages, which `migrate` may sleep for; nothing else.
 * Manual: Linux 4.0 mm/migrate; the specification's sections are physical 1.16 and 2.15.
 */
export { Migrator, type MigratorRooms } from './migrator.ts'
