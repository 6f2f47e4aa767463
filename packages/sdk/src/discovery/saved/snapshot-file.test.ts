import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { instanceAt } from '../../testing/index.js'
import type { Snapshot } from '../resolver.js'
import { SnapshotFile } from './snapshot-file.js'

const NOW = Date.UTC(2030, 0, 1)

const snapshot: Snapshot = {
  kind: 'snapshot',
  instances: [instanceAt('http://10.0.0.1:1', { tags: ['v2'] }), instanceAt('http://10.0.0.1:2')],
  excluded: [{ key: 'node-3/orders@10.0.0.3:1', reason: 'critical', kind: 'unhealthy', priority: 0 }],
}

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

const fileOf = (service = 'orders', source = 'Consul', folder = directory): SnapshotFile =>
  new SnapshotFile(folder, source, service)

test('what is read is what was written, with its date', async () => {
  await fileOf().write(snapshot, NOW)
  expect(await fileOf().read()).toEqual({ ...snapshot, savedAt: NOW })
  await fileOf().write({ ...snapshot, instances: [] }, NOW + 1)
  expect(await fileOf().read()).toEqual({ ...snapshot, instances: [], savedAt: NOW + 1 })
})

test('only its owner may read it, and the folder is made for its owner only', async () => {
  const folder = join(directory, 'made', 'for it')
  const file = fileOf('orders', 'Consul', folder)
  await file.write(snapshot, NOW)
  expect((await stat(file.path)).mode & 0o777).toBe(0o600)
  for (const made of [folder, join(directory, 'made')]) expect((await stat(made)).mode & 0o777).toBe(0o700)
  expect(await readdir(folder)).toHaveLength(1)
  // Neither the mode of the folder, where it was changed, nor that of the file before has any effect.
  await chmod(file.path, 0o644)
  await file.write(snapshot, NOW)
  expect((await stat(file.path)).mode & 0o777).toBe(0o600)
})

test('services and sources are told apart, whatever they are called', async () => {
  const odd = [
    'orders',
    'Orders',
    '../../etc/passwd',
    '..',
    '.',
    '',
    'a/b',
    'a_b',
    'x'.repeat(300),
    'größe',
    '\0',
    'a\nb',
  ]
  for (const service of odd)
    for (const source of ['Consul at a', 'Consul at b']) {
      const file = fileOf(service, source)
      expect(file.path.startsWith(join(directory, '/'))).toBe(true)
      await file.write(
        { ...snapshot, excluded: [{ key: service, reason: source, kind: 'unusable', priority: 0 }] },
        NOW,
      )
    }
  expect(await readdir(directory)).toHaveLength(2 * odd.length)
  for (const service of odd)
    for (const source of ['Consul at a', 'Consul at b'])
      expect((await fileOf(service, source).read()).excluded).toMatchObject([
        { key: service, reason: source },
      ])
})

describe('cannot be used', () => {
  test('when it is not there', async () => {
    await expect(fileOf().read()).rejects.toThrow('ENOENT')
  })

  test('when it is of another source or service, under this name', async () => {
    await fileOf('orders', 'another').write(snapshot, NOW)
    await writeFile(fileOf().path, await readFile(fileOf('orders', 'another').path))
    await expect(fileOf().read()).rejects.toThrow('it was saved by a client of another source or service')
    await fileOf('payments').write(snapshot, NOW)
    await writeFile(fileOf().path, await readFile(fileOf('payments').path))
    await expect(fileOf().read()).rejects.toThrow('it was saved by a client of another source or service')
  })

  test('when it is damaged', async () => {
    await fileOf().write(snapshot, NOW)
    await writeFile(fileOf().path, (await readFile(fileOf().path)).subarray(0, -1))
    await expect(fileOf().read()).rejects.toThrow('it is damaged')
    await writeFile(fileOf().path, '')
    await expect(fileOf().read()).rejects.toThrow()
  })
})

describe('writing', () => {
  test('many at once, each reader sees a whole one', async () => {
    await fileOf().write(snapshot, 0)
    const seen = new Set<number>()
    await Promise.all([
      ...Array.from({ length: 50 }, (_, index) => fileOf().write(snapshot, index)),
      (async () => {
        for (let n = 0; n < 100; n++) seen.add((await fileOf().read()).savedAt)
      })(),
    ])
    expect(seen.size).toBeGreaterThan(1)
    expect(await readdir(directory)).toHaveLength(1)
  })

  test('fails where there cannot be a folder, and leaves nothing behind', async () => {
    await writeFile(join(directory, 'file'), '')
    await expect(fileOf('orders', 'Consul', join(directory, 'file')).write(snapshot, NOW)).rejects.toThrow()
    await expect(
      fileOf('orders', 'Consul', join(directory, 'file', 'below')).write(snapshot, NOW),
    ).rejects.toThrow()
    // A folder stands where the file should be.
    await mkdir(join(fileOf().path, 'full'), { recursive: true })
    await expect(fileOf().write(snapshot, NOW)).rejects.toThrow()
    expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([])
  })

  test('takes away what killed writers have left, of any service, and nothing else', async () => {
    const left = `${fileOf('payments').path}.11111111-2222-4333-8444-555555555555.part`
    const live = `${fileOf().path}.11111111-2222-4333-8444-666666666666.part`
    const foreign = join(directory, 'movie.part')
    for (const path of [left, live, foreign]) await writeFile(path, 'half')
    const longAgo = new Date(NOW - 61_000)
    for (const path of [left, foreign]) await utimes(path, longAgo, longAgo)
    await utimes(live, new Date(NOW - 59_000), new Date(NOW - 59_000))
    const file = fileOf()
    await file.write(snapshot, NOW)
    expect(new Set((await readdir(directory)).map((name) => join(directory, name)))).toEqual(
      new Set([file.path, live, foreign]),
    )
    // Once a watch: it costs a look at each file.
    await utimes(live, longAgo, longAgo)
    await file.write(snapshot, NOW)
    expect(await readdir(directory)).toHaveLength(3)
    await fileOf().write(snapshot, NOW)
    expect(await readdir(directory)).toHaveLength(2)
  })
})
