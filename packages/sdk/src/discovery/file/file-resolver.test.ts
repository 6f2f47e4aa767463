import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { ManualClock } from '../../testing/index.js'
import { fileResolver } from './file-resolver.js'
import { originsOf, Watching } from '../../test-support/watching.test.support.js'

const one = 'orders:\n  - http://10.0.0.1:1\n'
const two = 'orders:\n  - http://10.0.0.1:1\n  - http://10.0.0.1:2\n'

let folder: string
let path: string
let clock: ManualClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fairlead-file-'))
  path = join(folder, 'services.yaml')
  clock = new ManualClock()
})

afterEach(() => rm(folder, { recursive: true }))

function follow(service = 'orders', file = path): Watching {
  return new Watching(fileResolver({ path: file, clock }), service, clock)
}

async function put(text: string): Promise<void> {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}

describe('ways in which a file is written', () => {
  test('another file renamed into its place', async () => {
    await put(one)
    await using watch = follow()
    expect(await watch.origins()).toEqual(['http://10.0.0.1:1'])
    await put(two)
    expect(await watch.origins()).toEqual(['http://10.0.0.1:1', 'http://10.0.0.1:2'])
  })

  test('in place, with the same length and the same time stamp as before, within one tick of the clock', async () => {
    await writeFile(path, '{"orders": ["http://10.0.0.1:1"]}')
    const stamp = new Date(1_700_000_000_000)
    await utimes(path, stamp, stamp)
    await using watch = follow()
    // The clock stands still, so that there has been no second look.
    expect(originsOf((await watch.snapshot(watch.atOnce())).instances)).toEqual(['http://10.0.0.1:1'])
    await writeFile(path, '{"orders": ["http://10.0.0.1:2"]}')
    await utimes(path, stamp, stamp)
    expect(await watch.origins()).toEqual(['http://10.0.0.1:2'])
  })

  test('a link that is swapped, as Kubernetes does for a ConfigMap', async () => {
    for (const [name, text] of [
      ['..1', one],
      ['..2', two],
    ] as const) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'services.yaml'), text)
    }
    await symlink('..1', join(folder, '..data'))
    await symlink('..data/services.yaml', path)
    await using watch = follow()
    expect(await watch.origins()).toEqual(['http://10.0.0.1:1'])
    await symlink('..2', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    expect(await watch.origins()).toEqual(['http://10.0.0.1:1', 'http://10.0.0.1:2'])
  })

  test('piece by piece: a YAML file is believed once it has stood still, whatever its beginnings mean', async () => {
    await put(one)
    await using watch = new Watching(fileResolver({ path, clock, pollMs: 10 }), 'orders', clock)
    await watch.snapshot()
    await watch.step(0)
    const file = await open(path, 'w')
    try {
      for (const piece of ['orders:\n  - http://10.0.0.9:8', '0', '80', '\n  - http://10.0.0.9:9090\n']) {
        await file.write(piece)
        // Enough for a look, and less than what counts as standing still.
        await watch.step(60)
      }
    } finally {
      await file.close()
    }
    expect(await watch.origins()).toEqual(['http://10.0.0.9:8080', 'http://10.0.0.9:9090'])
  })

  test('emptied and left so: stale, and the set stays', async () => {
    await put(one)
    await using watch = follow()
    await watch.snapshot()
    await writeFile(path, '')
    expect(await watch.stale()).toBe(
      `${path} cannot be used: it has nothing where a map of service names to lists of instances must be; {} says that there are no services`,
    )
    await writeFile(path, two)
    expect(await watch.origins()).toHaveLength(2)
  })

  test('not there at first', async () => {
    await using watch = follow()
    expect(await watch.stale()).toBe(`${path} does not exist; polling until it does`)
    await put(one)
    expect(await watch.origins()).toEqual(['http://10.0.0.1:1'])
  })

  test('deleted and back: stale, and then a snapshot although it is equal', async () => {
    await put(one)
    await using watch = follow()
    const first = await watch.snapshot()
    await rm(path)
    expect(await watch.stale()).toContain('does not exist')
    await put(one)
    expect(await watch.snapshot()).toEqual(first)
  })

  test.each([
    ['gone', () => rm(path)],
    ['half written', () => writeFile(path, '{"orders": ["http://10.')],
    ['empty', () => writeFile(path, '')],
  ])('%s at one look and whole at the next: not worth a word', async (_, spoil) => {
    const text = '{"orders": ["http://10.0.0.1:1"]}'
    await put(text)
    await using watch = follow()
    await watch.atOnce()
    await watch.step(0)
    // The second look at what is new.
    await watch.step(100)
    await spoil()
    await watch.step(1000)
    await put(text)
    await watch.pass(5000)
    expect(watch.unread).toEqual([])
  })
})

test('a file that does not change is not news, and neither is what concerns other services', async () => {
  await put(two)
  await using watch = follow()
  await watch.snapshot()
  await watch.pass(5000)
  await put(`# touched\n${two}`)
  await watch.pass(3000)
  await put(`${two}payments:\n  - nonsense\n`)
  await watch.pass(3000)
  expect(watch.unread).toEqual([])
})

test('how often it looks is an option', async () => {
  await put('{"orders": []}')
  await using watch = new Watching(fileResolver({ path, clock, pollMs: 60_000 }), 'orders', clock)
  expect(await watch.origins()).toEqual([])
  // The second look at what is new: it has read by then.
  await watch.step(0)
  await watch.step(100)
  await put('{"orders": ["http://10.0.0.1:1"]}')
  await watch.pass(50_000)
  expect(watch.unread).toEqual([])
  // A minute after that look, and not at its very end.
  await watch.pass(10_500)
  expect(await watch.origins()).toHaveLength(1)
})

test('JSON is believed at once, as its brackets show that it is whole', async () => {
  await put('{\n\t"orders": [\n\t\t"http://10.0.0.1:1"\n\t]\n}\n')
  await using watch = follow()
  while (watch.events.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  expect(clock.now()).toBe(0)
  expect(await watch.origins()).toEqual(['http://10.0.0.1:1'])
})

test('a file that never stands still is said to be so, and is read once it does', async () => {
  await put(one)
  await using watch = follow()
  await watch.snapshot()
  await watch.step(1000)
  let text = one
  while (watch.unread.length === 0) {
    text += '# more\n'
    await writeFile(path, text)
    await watch.step(100)
  }
  expect(await watch.stale()).toBe(
    `${path} never stays the same for 100 ms; write it to another file and rename that into place`,
  )
  expect(await watch.origins()).toEqual(['http://10.0.0.1:1'])
})

test('an entry says all there is to say of an instance, or only where it is', async () => {
  await put(`
orders:
  - https://Orders.internal
  - { address: "fd00::1", port: 8080 }
  - address: 10.0.0.1
    port: 8080
    scheme: https
    weight: 7
    tags: [v2]
    meta: { version: "1.10" }
    zone: eu-1a
    priority: 1
    id: first
`)
  await using watch = follow()
  const { instances } = await watch.snapshot()
  expect(instances).toEqual([
    {
      key: 'file/[fd00::1]:8080@[fd00::1]:8080',
      origin: 'http://[fd00::1]:8080',
      weight: 1,
      priority: 0,
      tags: [],
      meta: {},
      locality: {},
    },
    {
      key: 'file/first@10.0.0.1:8080',
      origin: 'https://10.0.0.1:8080',
      weight: 7,
      priority: 1,
      tags: ['v2'],
      meta: { version: '1.10' },
      locality: { zone: 'eu-1a' },
    },
    {
      key: 'file/orders.internal:443@orders.internal:443',
      origin: 'https://orders.internal:443',
      weight: 1,
      priority: 0,
      tags: [],
      meta: {},
      locality: {},
    },
  ])
})

test('what instances have in common may be written once', async () => {
  await put(`
common: &common { port: 8080, zone: a }
orders:
  - { <<: *common, address: 10.0.0.1 }
  - { <<: *common, address: 10.0.0.2, zone: b }
`)
  await using watch = follow()
  const { instances } = await watch.snapshot()
  expect(instances.map(({ origin, locality }) => [origin, locality.zone])).toEqual([
    ['http://10.0.0.1:8080', 'a'],
    ['http://10.0.0.2:8080', 'b'],
  ])
})

test('the example among the examples is one', async () => {
  const example = join(import.meta.dirname, '../../../../../examples/services.yaml')
  await using orders = follow('orders', example)
  expect((await orders.snapshot()).instances.map(({ weight }) => weight)).toEqual([1, 3])
  await using payments = follow('payments', example)
  expect((await payments.snapshot()).instances.map(({ priority }) => priority).sort()).toEqual([0, 1])
})

test.each(['constructor', '__proto__', 'toString'])(
  'a service called %s is one that is not there',
  async (name) => {
    await put(one)
    await using watch = follow(name)
    expect(await watch.origins()).toEqual([])
  },
)

describe('a mistake is named with file, place, value and fix', () => {
  test.each<[string, string, string]>([
    ['bad syntax', 'orders: [http://a:1\n', 'line 2: Flow sequence'],
    ['a key twice', 'orders: []\norders: []\n', 'line 2: Map keys must be unique'],
    ['a list', '- http://a:1\n', 'it has a list where a map of service names'],
    ['a word', 'orders\n', 'it has a single value where a map of service names'],
    ['an alias of nothing', 'orders: *a\n', 'Unresolved alias'],
    [
      'a service without its list',
      'payments: []\norders:\n',
      'line 2: orders is null: it must be a list of instances; [] says that there are none',
    ],
    [
      'an origin without scheme',
      'orders:\n  - 10.0.0.1:80\n',
      "line 2: orders[0] is '10.0.0.1:80': it must be http://host:port or https://host:port, without a path",
    ],
    ['an origin with a path', 'orders: ["http://a:1/x"]', "line 1: orders[0] is 'http://a:1/x': it must be"],
    [
      'a number',
      'orders:\n  - 80\n',
      'line 2: orders[0] is 80: it must be an origin such as "http://10.0.0.1:8080", or an object with address and port',
    ],
    [
      'a port out of range',
      'orders:\n  - address: a\n    port: 80\n  - address: b\n    port: 80800\n',
      'line 5: orders[1].port is 80800: it must be a whole number from 1 to 65535',
    ],
    ['no port', 'orders:\n  - address: a\n', 'line 2: orders[0].port is missing'],
    [
      'a misspelt field',
      'orders:\n  - address: a\n    port: 80\n    wieght: 3\n',
      'line 4: unknown option orders[0].wieght: remove it or check its spelling (did you mean weight?)',
    ],
    [
      'an address with a port',
      'orders: [{ address: "a:80", port: 80 }]',
      "line 1: orders[0].address is 'a:80': it must be a host name or an IP address, no more",
    ],
    [
      'a number for a string',
      'orders:\n  - address: a\n    port: 80\n    meta:\n      version: 1.10\n',
      'line 5: orders[0].meta.version is 1.1: it must be a string; put it in quotes',
    ],
    [
      'an instance twice',
      'orders:\n  - http://a:80\n  - address: a\n    port: 80\n',
      'line 3: orders[1] is orders[0] again (http://a:80): remove it; for a larger share give the other more weight',
    ],
  ])('%s', async (_, text, message) => {
    await put(one)
    await using watch = follow()
    await watch.snapshot()
    await put(text)
    const said = await watch.stale()
    expect(said).toContain(`${path} cannot be used: ${message}`)
    expect(said).not.toContain('\n')
    await put(two)
    expect(await watch.origins()).toHaveLength(2)
  })

  test('a mistake in JSON', async () => {
    await put('{\n"orders": [\n{ "address": "a", "port": 0 }\n]\n}')
    await using watch = follow()
    expect(await watch.stale()).toBe(
      `${path} cannot be used: line 3: orders[0].port is 0: it must be a whole number from 1 to 65535`,
    )
    await put('{\n"orders": [}')
    expect(await watch.stale()).toContain(`${path} cannot be used: line 2: `)
  })

  test('more YAML than the process has time for, where JSON is no problem', async () => {
    const origins = Array.from({ length: 60_000 }, (_, n) => `http://10.0.${n >> 8}.${n & 255}:8080`)
    await put(`orders:\n${origins.map((origin) => `  - ${origin}\n`).join('')}`)
    await using watch = follow()
    expect(await watch.stale()).toMatch(/ has \d+ characters of YAML; above 1048576, write it as JSON$/)
    await put(JSON.stringify({ orders: origins }))
    expect(await watch.origins()).toHaveLength(60_000)
    await put(`${JSON.stringify({ orders: origins })}}`)
    expect(await watch.stale()).toContain('it is not JSON: ')
  })

  test('so many aliases that they would fill the memory', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) =>
        `a${n}: &a${n} [${Array(10)
          .fill(n === 0 ? '1' : `*a${n - 1}`)
          .join()}]`,
    )
    await put(levels.join('\n'))
    await using watch = follow()
    expect(await watch.stale()).toContain('Excessive alias count')
  })

  test('no text', async () => {
    await writeFile(path, Buffer.from([0x7b, 0xff, 0x7d]))
    await using watch = follow()
    expect(await watch.stale()).toBe(`${path} is not text in UTF-8`)
  })

  test('a folder, and a pipe without a writer', async () => {
    const pipe = join(folder, 'pipe')
    execFileSync('sh', ['-c', 'mkfifo "$0"', pipe])
    for (const place of [folder, pipe]) {
      await using watch = follow('orders', place)
      expect(await watch.stale()).toBe(`${place} is not a regular file`)
    }
  })

  test('a fault is reported once while it lasts', async () => {
    await using watch = follow()
    await watch.stale()
    await watch.pass(10_000)
    expect(watch.unread).toEqual([])
  })
})

test('services of one resolver do not wait for each other', async () => {
  await put('{"orders": ["http://10.0.0.1:1"], "payments": ["nonsense"]}')
  const resolver = fileResolver({ path, clock })
  await using orders = new Watching(resolver, 'orders', clock)
  await using payments = new Watching(resolver, 'payments', clock)
  expect(await orders.origins()).toEqual(['http://10.0.0.1:1'])
  expect(await payments.stale()).toContain('payments[0]')
  await orders.pass(2000)
  expect([orders.unread, payments.unread]).toEqual([[], []])
})

test.each<[unknown, string]>([
  [undefined, 'options is undefined: it must be an object with the path of a file'],
  [{}, 'path is missing'],
  [{ path: '' }, "path is '': it must be the path of a JSON or YAML file"],
  [{ path: 'a', pollMs: 0 }, 'pollMs is 0: it must be a whole number of milliseconds from 10 to 3600000'],
  [{ path: 'a', polMs: 1 }, 'unknown option polMs: remove it or check its spelling (did you mean pollMs?)'],
])('options %j: %s', (options, message) => {
  const make = (): unknown => fileResolver(options as never)
  expect(make).toThrow(FairleadError)
  expect(make).toThrow(message)
})
