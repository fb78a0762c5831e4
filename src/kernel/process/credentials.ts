// Who a process is, and how that changes: setuid and its like, capset, execve. Files look at the effective part.

import { EPERM, type OrErr } from '../../base/index.ts'
import {
  CAP_SETGID,
  CAP_SETUID,
  type CapabilitySet,
  capable,
  type Credentials,
  isInGroup,
  ROOT_CAPABILITIES,
  S_ISGID,
  S_ISUID,
  S_IXGRP,
  type Vnode,
} from '../file/index.ts'

/** A record that is never changed: a process gets another one. */
export interface ProcessCredentials extends Credentials {
  readonly realUid: number
  readonly savedUid: number
  readonly realGid: number
  readonly savedGid: number
  /** What may be put into effect. */
  readonly permitted: CapabilitySet
  /** What execve keeps for user 0. */
  readonly inheritable: CapabilitySet
  /** What execve may give at most. */
  readonly bounding: CapabilitySet
  /** What execve keeps for others. */
  readonly ambient: CapabilitySet
  /** prctl(PR_SET_KEEPCAPS): what is permitted survives that no user number is 0 any more. */
  readonly keepsPermitted: boolean
}

/** Real, effective and saved numbers are one. */
export function fullCredentials(who: Credentials): ProcessCredentials {
  const { uid, gid, groups, effective } = who
  return {
    uid,
    gid,
    groups,
    effective,
    realUid: uid,
    savedUid: uid,
    realGid: gid,
    savedGid: gid,
    permitted: effective,
    inheritable: 0n,
    bounding: ROOT_CAPABILITIES,
    ambient: 0n,
    keepsPermitted: false,
  }
}

/** access(2) asks for the real user: with capabilities only if that is 0. */
export function realCredentials(who: ProcessCredentials): Credentials {
  const { realUid, realGid, groups, permitted } = who
  return { uid: realUid, gid: realGid, groups, effective: realUid === 0 ? permitted : 0n }
}

/** Three numbers as setresuid has them; -1 keeps what is. */
export interface Ids {
  readonly real: number
  readonly effective: number
  readonly saved: number
}
export function uidsOf(who: ProcessCredentials): Ids {
  return { real: who.realUid, effective: who.uid, saved: who.savedUid }
}
export function gidsOf(who: ProcessCredentials): Ids {
  return { real: who.realGid, effective: who.gid, saved: who.savedGid }
}
const KEEP = -1
const among = (id: number, ids: readonly number[]): boolean => id === KEEP || ids.includes(id)
function merged(old: Ids, given: Ids): Ids {
  const pick = (now: number, was: number): number => (now === KEEP ? was : now)
  return {
    real: pick(given.real, old.real),
    effective: pick(given.effective, old.effective),
    saved: pick(given.saved, old.saved),
  }
}

/** setuid, setgid: with the capability all three, otherwise the effective one, to the real or saved. @errors EPERM */
export function setId(old: Ids, isPrivileged: boolean, id: number): OrErr<Ids> {
  if (isPrivileged) return { real: id, effective: id, saved: id }
  return among(id, [old.real, old.saved]) ? { ...old, effective: id } : EPERM
}
/** setreuid, setregid. @errors EPERM */
export function setReId(old: Ids, isPrivileged: boolean, real: number, effective: number): OrErr<Ids> {
  if (!isPrivileged) {
    if (!among(real, [old.real, old.effective])) return EPERM
    if (!among(effective, [old.real, old.effective, old.saved])) return EPERM
  }
  const now = merged(old, { real, effective, saved: KEEP })
  const savesIt = real !== KEEP || (effective !== KEEP && effective !== old.real)
  return savesIt ? { ...now, saved: now.effective } : now
}
/** setresuid, setresgid. @errors EPERM */
export function setResId(old: Ids, isPrivileged: boolean, given: Ids): OrErr<Ids> {
  const mine = [old.real, old.effective, old.saved]
  if (!isPrivileged && ![given.real, given.effective, given.saved].every((id) => among(id, mine))) return EPERM
  return merged(old, given)
}

/**
 * Other user numbers, and what that does to capabilities: whoever stops being user 0 altogether loses them, whoever is not
 * user 0 in effect has none in effect.
 */
export function withUids(who: ProcessCredentials, ids: Ids): ProcessCredentials {
  const wasRoot = who.realUid === 0 || who.uid === 0 || who.savedUid === 0
  const isRoot = ids.real === 0 || ids.effective === 0 || ids.saved === 0
  let { effective, permitted, ambient } = who
  if (wasRoot && !isRoot) {
    ambient = 0n
    if (!who.keepsPermitted) effective = permitted = 0n
  }
  if (who.uid === 0 && ids.effective !== 0) effective = 0n
  if (who.uid !== 0 && ids.effective === 0) effective = permitted
  return { ...who, uid: ids.effective, realUid: ids.real, savedUid: ids.saved, effective, permitted, ambient }
}
export function withGids(who: ProcessCredentials, ids: Ids): ProcessCredentials {
  return { ...who, gid: ids.effective, realGid: ids.real, savedGid: ids.saved }
}
export const maySetUids = (who: Credentials): boolean => capable(who, CAP_SETUID)
export const maySetGids = (who: Credentials): boolean => capable(who, CAP_SETGID)

/**
 * Who runs a program that was just loaded.
 *
 * @param keeps  the numbers of its file do not count: prctl(PR_SET_NO_NEW_PRIVS)
 * @manual execve(2), capabilities(7)
 */
export function credentialsForExec(old: ProcessCredentials, file: Vnode, keeps: boolean): ProcessCredentials {
  const setsUid = !keeps && (file.mode & S_ISUID) !== 0
  const setsGid = !keeps && (file.mode & S_ISGID) !== 0 && (file.mode & S_IXGRP) !== 0
  const uid = setsUid ? file.uid : old.uid
  const gid = setsGid ? file.gid : old.gid
  const hasChanged = uid !== old.uid || !isInGroup(old, gid)
  const ambient = hasChanged ? 0n : old.ambient
  const isRoot = uid === 0 || old.realUid === 0
  const permitted = (isRoot ? old.inheritable | old.bounding : 0n) | ambient
  return {
    ...old,
    uid,
    gid,
    savedUid: uid,
    savedGid: gid,
    ambient,
    permitted,
    effective: uid === 0 ? permitted : ambient,
    keepsPermitted: false,
  }
}
/** AT_SECURE: the program runs with more than whoever started it has. */
export function isSecureExec(old: ProcessCredentials, now: ProcessCredentials): boolean {
  if (now.uid !== old.realUid || now.gid !== old.realGid) return true
  return now.realUid !== 0 && (now.permitted & ~now.ambient) !== 0n
}

/** Is the target that user, with that group, in every respect? */
export function isWholly(target: ProcessCredentials, uid: number, gid: number): boolean {
  const uids = uid === target.uid && uid === target.realUid && uid === target.savedUid
  return uids && gid === target.gid && gid === target.realGid && gid === target.savedGid
}
