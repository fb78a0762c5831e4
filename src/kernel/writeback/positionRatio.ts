// How much faster or slower than the base rate threads may dirty pages, by how many pages are dirty. 1024 is 1.0.
//
//   2048 ──┐
//           ╲___
//   1024 ─ ─ ─ ─╲___________        a third-order curve, flat around the set point
//                           ╲___
//      0 ───────────────────────╲──
//        freerun      setpoint    limit

import { freerunCeiling } from './thresholds.ts'

/** Pages, and the device's average bandwidth in pages a second. */
export interface Position {
  readonly dirtyThreshold: number
  readonly background: number
  readonly dirty: number
  readonly globalDirtyLimit: number
  readonly deviceThreshold: number
  readonly deviceDirty: number
  readonly avgWriteBandwidth: number
  readonly isStrict: boolean
}

const ONE = 1024

/** The curve: 2048 far below the set point, 1024 at it, near 0 at the limit. */
export function positionCurve(setpoint: number, dirty: number, limit: number): number {
  const x = Math.trunc(((setpoint - dirty) * ONE) / ((limit - setpoint) | 1))
  let r = Math.floor((x * x) / ONE)
  r = Math.floor((r * x) / ONE) + ONE
  return Math.max(0, Math.min(2 * ONE, r))
}

export function positionRatio(at: Position): number {
  const { dirtyThreshold: thresh, background, dirty, deviceDirty } = at
  const limit = Math.max(thresh, at.globalDirtyLimit)
  if (dirty >= limit) return 0
  const setpoint = Math.floor((freerunCeiling(thresh, background) + limit) / 2)
  const ratio = positionCurve(setpoint, dirty, limit)
  if (at.isStrict) return strictRatio(at, ratio)

  // The device's own line: falls from its set point to xi, at the same total.
  const deviceThresh = Math.max(Math.min(at.deviceThreshold, thresh), Math.floor((limit - dirty) / 8))
  const q = Math.floor((deviceThresh * 65536) / (thresh | 1))
  const deviceSetpoint = Math.floor((setpoint * q) / 65536)
  const span = Math.floor(((thresh - deviceThresh + 8 * at.avgWriteBandwidth) * q) / 65536)
  const xi = deviceSetpoint + span
  let r =
    deviceDirty < xi - Math.floor(span / 4)
      ? Math.floor((ratio * (xi - deviceDirty)) / ((xi - deviceSetpoint) | 1))
      : Math.floor(ratio / 4)
  // A reserve, so that the device does not run dry.
  const half = Math.floor(deviceThresh / 2)
  if (deviceDirty < half) r = deviceDirty > Math.floor(half / 8) ? Math.floor((r * half) / deviceDirty) : r * 8
  return r
}

/** A device that must never have more than its share. */
function strictRatio(at: Position, ratio: number): number {
  const { deviceDirty, deviceThreshold } = at
  if (deviceDirty < 8) return Math.min(2 * ratio, 2 * ONE)
  if (deviceDirty >= deviceThreshold) return 0
  const background = Math.floor((deviceThreshold * at.background) / at.dirtyThreshold)
  const setpoint = freerunCeiling(deviceThreshold, background)
  if (setpoint === 0 || setpoint === deviceThreshold) return 0
  return Math.min(ratio, positionCurve(setpoint, deviceDirty, deviceThreshold))
}
