// The listing of `vmstat -s` (uvm specification 4.2.1): the number in 9 columns, one space, the label.

import type { Uvmexp } from './uvmexp.ts'

const LINES: readonly (readonly [field: keyof Uvmexp, label: string])[] = [
  ['pagesize', 'bytes per page'],
  ['ncolors', 'page colors'],
  ['npages', 'pages managed'],
  ['free', 'pages free'],
  ['active', 'pages active'],
  ['inactive', 'pages inactive'],
  ['paging', 'pages paging'],
  ['wired', 'pages wired'],
  ['zeropages', 'zero pages'],
  ['reserve_pagedaemon', 'reserve pagedaemon pages'],
  ['reserve_kernel', 'reserve kernel pages'],
  ['anonpages', 'anonymous pages'],
  ['filepages', 'cached file pages'],
  ['execpages', 'cached executable pages'],
  ['freemin', 'minimum free pages'],
  ['freetarg', 'target free pages'],
  ['wiredmax', 'maximum wired pages'],
  ['nswapdev', 'swap devices'],
  ['swpages', 'swap pages'],
  ['swpginuse', 'swap pages in use'],
  ['nswget', 'swap allocations'],
  ['faults', 'total faults taken'],
  ['traps', 'traps'],
  ['intrs', 'device interrupts'],
  ['swtch', 'CPU context switches'],
  ['softs', 'software interrupts'],
  ['syscalls', 'system calls'],
  ['pageins', 'pagein requests'],
  ['pdpageouts', 'pageout requests'],
  ['pgswapin', 'pages swapped in'],
  ['pgswapout', 'pages swapped out'],
  ['forks', 'forks total'],
  ['forks_ppwait', 'forks blocked parent'],
  ['forks_sharevm', 'forks shared address space with parent'],
  ['pga_zerohit', 'pagealloc zero wanted and avail'],
  ['pga_zeromiss', 'pagealloc zero wanted and not avail'],
  ['zeroaborts', 'aborts of idle page zeroing'],
  ['colorhit', 'pagealloc desired color avail'],
  ['colormiss', 'pagealloc desired color not avail'],
  ['cpuhit', 'pagealloc local cpu avail'],
  ['cpumiss', 'pagealloc local cpu not avail'],
  ['fltnoram', 'faults with no memory'],
  ['fltnoanon', 'faults with no anons'],
  ['fltpgwait', 'faults had to wait on pages'],
  ['fltpgrele', 'faults found released page'],
  ['fltrelck', 'faults relock'],
  ['fltanget', 'anon page faults'],
  ['fltanretry', 'anon retry faults'],
  ['fltamcopy', 'amap copy faults'],
  ['fltnamap', 'neighbour anon page faults'],
  ['fltnomap', 'neighbour object page faults'],
  ['fltlget', 'locked pager get faults'],
  ['fltget', 'unlocked pager get faults'],
  ['flt_anon', 'anon faults'],
  ['flt_acow', 'anon copy on write faults'],
  ['flt_obj', 'object faults'],
  ['flt_prcopy', 'promote copy faults'],
  ['flt_przero', 'promote zero fill faults'],
  ['pdwoke', 'times daemon wokeup'],
  ['pdrevs', 'revolutions of the clock hand'],
  ['pdfreed', 'pages freed by daemon'],
  ['pdscans', 'pages scanned by daemon'],
  ['pdanscan', 'anonymous pages scanned by daemon'],
  ['pdobscan', 'object pages scanned by daemon'],
  ['pdreact', 'pages reactivated'],
  ['pdbusy', 'pages found busy by daemon'],
  ['pdpending', 'total pending pageouts'],
  ['pddeact', 'pages deactivated'],
]

/** All lines, in order, each ended by a newline. @manual vmstat(1), NetBSD */
export function vmstatText(exp: Uvmexp): string {
  return LINES.map(([field, label]) => `${String(exp[field]).padStart(9)} ${labelOf(exp, field, label)}\n`).join('')
}

function labelOf(exp: Uvmexp, field: keyof Uvmexp, label: string): string {
  if (field === 'ncolors' && exp.ncolors === 1) return 'page color'
  return field === 'fltrelck' ? `${label} (${exp.fltrelckok} ok)` : label
}
