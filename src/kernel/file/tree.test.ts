import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  EACCES,
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EXDEV,
  isErr,
} from '../../base/index.ts'
import { changeAttributes } from './attributes.ts'
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
} from './constants.ts'
import { mount, mountInfoLines, mountLines, replaceRoot, unmount } from './mount.ts'
import { lookupPath, namei, WALK_FOLLOW, WALK_PARENT, type WalkContext } from './namei.ts'
import { nameFromBytes, nameLength, nameToBytes } from './names.ts'
import { openAt } from './open.ts'
import { pathOf } from './path.ts'
import { RamFs } from './ramFs.ts'
import { makeTestSystem, ok, open, run, write } from './testFiles.ts'
import { makeDirectory, makeLink, makeNode, makeSymlink, removeDirectory, renamePath, unlinkPath } from './tree.ts'
import { ROOT } from './credentials.ts'
import { vnodeHold } from './vnode.ts'

/** /d/e/f is a file, /l -> d, /d/up -> .., /loop -> loop, /abs -> /d/e */
function makeTree() {
  const system = makeTestSystem()
  const { files, context } = system
  for (const dir of ['/d', '/d/e', '/other']) ok(makeDirectory(files, context, dir, 0o755))
  write(system, open(system, '/d/e/f', O_RDWR | O_CREAT), 'f')
  for (const [target, at] of [
    ['d', '/l'],
    ['..', '/d/up'],
    ['loop', '/loop'],
    ['/d/e', '/abs'],
    ['nowhere', '/dangling'],
  ] as const)
    ok(makeSymlink(files, context, target, at))
  const find = (path: string, how = WALK_FOLLOW) => lookupPath(context, path, how)
  return { ...system, find }
}

describe('namei', () => {
  const { find, context, files } = makeTree()
  const f = ok(find('/d/e/f'))
  const at = (path: string): WalkContext => ({ ...context, cwd: ok(find(path)) })

  it('leads to the same file by every spelling of its path', () => {
    for (const path of ['d/e/f', '//d///e/f', '/d/./e/../e/f', '/l/e/f', '/abs/f', '/d/up/d/up/l/e/f', '/../../d/e/f'])
      expect(find(path), path).toBe(f)
    expect(lookupPath(at('/d/e'), '../e/./f')).toBe(f)
    expect(pathOf(f)).toBe('/d/e/f')
  })
  it('stays below the root of the process', () => {
    const jail: WalkContext = { root: ok(find('/d')), cwd: ok(find('/d/e')), who: ROOT }
    expect(lookupPath(jail, '../../../e/f')).toBe(f)
    expect(lookupPath(jail, '/up/e/f')).toBe(f)
    expect(lookupPath(jail, '/d/e/f')).toBe(ENOENT)
  })
  it('says why a path leads nowhere', () => {
    expect(find('')).toBe(ENOENT)
    expect(find('/d/none')).toBe(ENOENT)
    expect(find('/d/none/f')).toBe(ENOENT)
    expect(find('/d/e/f/g')).toBe(ENOTDIR)
    expect(find('/d/e/f/..')).toBe(ENOTDIR)
    expect(find('/dangling')).toBe(ENOENT)
    expect(find('/loop')).toBe(ELOOP)
    expect(find('/loop', 0)).not.toBe(ELOOP)
  })
  it('takes a trailing slash for a directory', () => {
    expect(find('/d/e/f/')).toBe(ENOTDIR)
    expect(find('/l/', 0)).toBe(find('/d'))
    expect(find('/loop/', 0)).toBe(ELOOP)
    expect(find('/d/')).toBe(find('/d'))
  })
  it('counts 40 links, not 41', () => {
    ok(makeSymlink(files, context, 'd', '/n0'))
    for (let i = 1; i <= 40; i++) ok(makeSymlink(files, context, `n${i - 1}`, `/n${i}`))
    expect(find('/n39')).toBe(find('/d'))
    expect(find('/n40')).toBe(ELOOP)
  })
  it('limits names to 255 bytes and paths to 4095', () => {
    expect(find(`/${'x'.repeat(255)}`)).toBe(ENOENT)
    expect(find(`/${'x'.repeat(256)}`)).toBe(ENAMETOOLONG)
    expect(find(`/${'é'.repeat(128)}`)).toBe(ENAMETOOLONG)
    expect(find('/'.repeat(4095))).toBe(context.root)
    expect(find('/'.repeat(4096))).toBe(ENAMETOOLONG)
  })
  it('answers a free name only to whoever will make it', () => {
    expect(ok(namei(context, '/d/new', WALK_PARENT))).toMatchObject({ name: 'new', vnode: null })
    expect(namei(context, '/none/new', WALK_PARENT)).toBe(ENOENT)
  })
  it('needs search permission on every directory', () => {
    const user: WalkContext = { ...context, who: { uid: 5, gid: 5, groups: [], effective: 0n } }
    expect(lookupPath(user, '/d/e/f')).toBe(f)
    changeAttributes(files, ROOT, ok(find('/d')), { permissions: 0o700 })
    expect(lookupPath(user, '/d/e/f')).toBe(EACCES)
    expect(changeAttributes(files, user.who, f, { permissions: 0o777 })).toBe(EPERM)
    changeAttributes(files, ROOT, ok(find('/d')), { permissions: 0o070, gid: 7 })
    expect(lookupPath({ ...user, who: { uid: 5, gid: 5, groups: [7], effective: 0n } }, '/d/e/f')).toBe(f)
  })
})

describe('names', () => {
  it('keep every byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const name = nameFromBytes(bytes)
        expect(nameToBytes(name)).toEqual(bytes)
        expect(nameLength(name)).toBe(bytes.length)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(nameFromBytes(new TextEncoder().encode(text))).toBe(text)
      }),
    )
  })
})

describe('openAt', () => {
  const system = makeTree()
  const { files, context } = system
  const tryOpen = (path: string, flags: number) => {
    const file = run(system, openAt(files, context, path, flags, 0o644))
    return isErr(file) ? file : (file.release(), 0)
  }

  it('answers as open(2) does', () => {
    expect(tryOpen('/d/e/f', O_CREAT | O_EXCL | O_RDWR)).toBe(EEXIST)
    expect(tryOpen('/dangling', O_CREAT | O_EXCL | O_RDWR)).toBe(EEXIST)
    expect(tryOpen('/dangling', O_CREAT | O_RDWR)).toBe(0)
    expect(system.find('/nowhere')).not.toBe(ENOENT)
    expect(tryOpen('/d', O_RDWR)).toBe(EISDIR)
    expect(tryOpen('/d', O_RDONLY | O_CREAT)).toBe(EISDIR)
    expect(tryOpen('/new/', O_CREAT | O_RDWR)).toBe(EISDIR)
    expect(tryOpen('/d/e/f', O_DIRECTORY)).toBe(ENOTDIR)
    expect(tryOpen('/l', O_NOFOLLOW)).toBe(ELOOP)
    expect(tryOpen('/l', O_NOFOLLOW | O_PATH)).toBe(0)
    expect(tryOpen('/d', O_CREAT | O_DIRECTORY)).toBe(EINVAL)
  })
  it('makes no name in a directory that was removed', () => {
    const gone = vnodeHold(ok(makeDirectory(files, context, '/gone', 0o755)))
    ok(removeDirectory(files, context, '/gone'))
    const inside = { ...context, cwd: gone }
    expect(run(system, openAt(files, inside, 'x', O_CREAT | O_RDWR, 0o644))).toBe(ENOENT)
    expect(makeDirectory(files, inside, 'x', 0o755)).toBe(ENOENT)
    expect(pathOf(gone)).toBe('/gone (deleted)')
  })
})

describe('making, moving and removing names', () => {
  it('counts the links of directories and files', () => {
    const { files, context, find } = makeTree()
    const d = ok(find('/d'))
    expect(d.nlink).toBe(3)
    ok(renamePath(files, context, '/d/e', context, '/other/e2', 0))
    expect([d.nlink, ok(find('/other')).nlink]).toEqual([2, 3])
    const f = ok(find('/other/e2/f'))
    ok(makeLink(files, context, f, '/hard'))
    expect(f.nlink).toBe(2)
    ok(unlinkPath(files, context, '/other/e2/f'))
    expect(f.nlink).toBe(1)
    expect(find('/hard')).toBe(f)
    ok(removeDirectory(files, context, '/other/e2'))
    expect(ok(find('/other')).nlink).toBe(2)
  })
  it('refuses as the calls say', () => {
    const { files, context, find } = makeTree()
    const rename = (from: string, to: string, how = 0) => renamePath(files, context, from, context, to, how)
    expect(makeDirectory(files, context, '/d', 0o755)).toBe(EEXIST)
    expect(makeLink(files, context, ok(find('/d')), '/x')).toBe(EPERM)
    expect(makeLink(files, context, ok(find('/d/e/f')), '/dev/x')).toBe(EXDEV)
    expect(unlinkPath(files, context, '/d')).toBe(EISDIR)
    expect(removeDirectory(files, context, '/d')).toBe(ENOTEMPTY)
    expect(removeDirectory(files, context, '/d/e/f')).toBe(ENOTDIR)
    expect(removeDirectory(files, context, '/d/.')).toBe(EINVAL)
    expect(removeDirectory(files, context, '/')).toBe(EBUSY)
    expect(removeDirectory(files, context, '/dev')).toBe(EBUSY)
    expect(rename('/d', '/d/e/inside')).toBe(EINVAL)
    expect(rename('/d/e/f', '/d')).toBe(EISDIR)
    expect(rename('/other', '/d/e/f')).toBe(ENOTDIR)
    expect(rename('/other', '/d')).toBe(ENOTEMPTY)
    expect(rename('/d/.', '/x')).toBe(EBUSY)
    expect(rename('/d/e/f', '/dev/f')).toBe(EXDEV)
    expect(rename('/dev', '/x')).toBe(EBUSY)
    expect(rename('/d', '/other', RENAME_NOREPLACE)).toBe(EEXIST)
    expect(rename('/d', '/none', RENAME_EXCHANGE)).toBe(ENOENT)
    expect(rename('/d', '/other', 8)).toBe(EINVAL)
    expect(rename('/other', '/d/e/new/')).toBe(0)
  })
  it('exchanges two names, a file and a directory too', () => {
    const { files, context, find } = makeTree()
    const f = ok(find('/d/e/f'))
    const other = ok(find('/other'))
    ok(renamePath(files, context, '/d/e/f', context, '/other', RENAME_EXCHANGE))
    expect([find('/other'), find('/d/e/f')]).toEqual([f, other])
    expect([pathOf(f), pathOf(other)]).toEqual(['/other', '/d/e/f'])
    expect(ok(find('/d/e')).nlink).toBe(3)
  })
  it('lets nobody but the owners remove names from a sticky directory', () => {
    const { files, context } = makeTree()
    const as = (uid: number): WalkContext => ({ ...context, who: { uid, gid: uid, groups: [], effective: 0n } })
    ok(makeDirectory(files, context, '/tmp', 0o1777))
    ok(makeDirectory(files, as(5), '/tmp/mine', 0o755))
    expect(removeDirectory(files, as(6), '/tmp/mine')).toBe(EPERM)
    expect(renamePath(files, as(6), '/tmp/mine', as(6), '/tmp/yours', 0)).toBe(EPERM)
    expect(removeDirectory(files, as(5), '/tmp/mine')).toBe(0)
    expect(makeDirectory(files, as(5), '/mine', 0o755)).toBe(EACCES)
  })
})

describe('mount', () => {
  it('covers a directory, is crossed in both directions, and goes away', () => {
    const { files, context, find } = makeTree()
    const fs = new RamFs(files, 'second')
    const covered = ok(find('/d'))
    expect(mount(files, fs, ok(find('/d/e/f')))).toBe(ENOTDIR)
    expect(mount(files, fs, covered)).toBe(0)
    expect(mount(files, new RamFs(files), covered)).toBe(EBUSY)
    expect(find('/d')).toBe(fs.root)
    expect(find('/l')).toBe(fs.root)
    ok(makeDirectory(files, context, '/d/in', 0o755))
    expect(pathOf(ok(find('/d/in')))).toBe('/d/in')
    expect(find('/d/in/../../l/in')).toBe(find('/d/in'))
    expect(mountLines(files).at(-1)).toBe('second /d second rw,relatime 0 0')
    expect(mountInfoLines(files)).toEqual([
      `${files.root.fs.device} 0 0:${files.root.fs.device} / / rw,relatime - tmpfs tmpfs rw`,
      expect.stringMatching(/ \/ \/dev rw,relatime - devtmpfs devtmpfs rw$/),
      `${fs.device} ${covered.fs.device} 0:${fs.device} / /d rw,relatime - second second rw`,
    ])
    const third = new RamFs(files)
    ok(mount(files, third, ok(find('/d/in'))))
    expect(unmount(files, fs)).toBe(EBUSY)
    ok(unmount(files, third))
    ok(unmount(files, fs))
    expect(find('/d')).toBe(covered)
    expect(unmount(files, fs)).toBe(EINVAL)
    ok(mount(files, third, ok(makeDirectory(files, context, '/a b\\', 0o755))))
    expect(mountLines(files).at(-1)).toContain(' /a\\040b\\134 ')
  })
  it('puts another root under what is mounted, or changes nothing', () => {
    const { files, find } = makeTree()
    const moved = new RamFs(files, 'moved')
    ok(mount(files, moved, ok(find('/d'))))
    const before = mountLines(files)
    const root = new RamFs(files, 'other')
    const context = { root: root.root, cwd: root.root, who: ROOT }
    const place = ok(makeDirectory(files, context, '/place', 0o755))
    const file = ok(makeNode(files, context, '/file', 'file', 0o644, 0))
    expect(replaceRoot(files, moved, [])).toBe(EBUSY)
    expect(replaceRoot(files, root, [[moved, file]])).toBe(ENOTDIR)
    expect(replaceRoot(files, root, [[moved, root.root]])).toBe(EBUSY)
    expect(
      replaceRoot(files, root, [
        [moved, place],
        [new RamFs(files), place],
      ]),
    ).toBe(EBUSY)
    expect(mountLines(files)).toEqual(before)
    ok(replaceRoot(files, root, [[moved, place]]))
    expect(files.root).toBe(root.root)
    expect(mountLines(files)).toEqual(['other / other rw,relatime 0 0', 'moved /place moved rw,relatime 0 0'])
    expect(pathOf(moved.root)).toBe('/place')
  })
})
