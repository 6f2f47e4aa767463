import { once } from 'node:events'
import { createServer, Socket, type AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { buildConnector, Client } from 'undici'
import { afterwards, serve } from '../client.test.support.js'
import { createClient, fixedResolver } from '../index.js'
import { parserMisfit } from './parser-misfit.js'
import { readByTheBook } from './response-parser.js'

/** A connection that undici has taken over, and undici's own parser of it, untouched. */
let socket: Socket
let parser: object
let release: () => Promise<void>

beforeAll(async () => {
  const server = createServer((accepted) => accepted.on('error', () => undefined).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connect = buildConnector({})
  const client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    connect: (options, callback) =>
      connect(options, (...result) => {
        callback(...result)
        if (result[0] === null) socket = result[1]
      }),
  })
  const pending = client.request({ path: '/', method: 'GET' }).catch(() => undefined)
  await once(client, 'connect')
  parser = (socket as unknown as Record<symbol, object>)[symbolOf(socket)] as object
  release = async () => {
    await client.destroy()
    await pending
    server.close()
  }
})
afterAll(() => release())

function symbolOf(owner: object): symbol {
  const found = Object.getOwnPropertySymbols(owner).find(({ description }) => description === 'parser')
  if (found === undefined) throw new Error('undici no longer keeps its parser behind a symbol of that name')
  return found
}

/** A socket of an undici that keeps `own` where undici 7.30 has its parser. */
function foreign(own: unknown): Socket {
  return Object.assign(new Socket(), { [Symbol('parser')]: own })
}

/** undici's parser but for some fields, with its methods but for some, on a connection of its own. */
function parserLike(fields: object = {}, methods: object = {}): Record<string, unknown> {
  const prototype = Object.defineProperties(
    Object.create(Object.getPrototypeOf(parser) as object) as object,
    Object.getOwnPropertyDescriptors(methods),
  )
  const made = Object.create(prototype) as Record<string, unknown>
  return Object.defineProperties(made, {
    ...Object.getOwnPropertyDescriptors(parser),
    ...Object.getOwnPropertyDescriptors(fields),
  })
}

// Should this one fail, responses are read by undici alone, and a body that is cut by a reset passes as whole: compare
// `lib/dispatcher/client-h1.js` of the undici that is installed with what `response-parser.ts` replaces, and mend both.
test('the parser of the undici that is installed is the one that we know', () => {
  expect(parserMisfit(parser, socket)).toBeUndefined()
  expect(readByTheBook(socket)).toBeUndefined()
  for (const method of ['finish', 'createError', 'onHeadersComplete', 'onMessageComplete']) {
    const read = (owner: object): unknown => (owner as Record<string, unknown>)[method]
    expect(read(parser), method).not.toBe(read(Object.getPrototypeOf(parser) as object))
  }
})

describe('a parser of another shape is left as it is, and what differs is reported', () => {
  const exports = (change: object): object => ({
    llhttp: { ...(parser as { llhttp: object }).llhttp, ...change },
  })
  test.each<[string, () => unknown, string]>([
    ['no parser', () => undefined, 'its connection has no parser'],
    ['none any more', () => null, 'its connection has no parser'],
    ['no object', () => 'llhttp', 'its connection has no parser'],
    ['no class', () => Object.create(null) as object, 'parser.resume is no function'],
    ['no finish', () => parserLike({}, { finish: undefined }), 'parser.finish is no function'],
    [
      'a head told in one',
      () => parserLike({}, { onHeadersComplete: (head: object) => head }),
      'parser.onHeadersComplete takes 1 arguments instead of 3',
    ],
    [
      'an error made otherwise',
      () => parserLike({}, { createError: (code: number) => new Error(`${code}`) }),
      'parser.createError takes 1 arguments instead of 2',
    ],
    ['no llhttp', () => parserLike({ llhttp: undefined }), 'llhttp.llhttp_resume is no function'],
    [
      'an llhttp without leave',
      () => parserLike(exports({ llhttp_set_lenient_chunked_length: undefined })),
      'llhttp.llhttp_set_lenient_chunked_length is no function',
    ],
    [
      'an llhttp of another arity',
      () => parserLike(exports({ llhttp_resume: () => undefined })),
      'llhttp.llhttp_resume takes 0 arguments instead of 1',
    ],
    ['another socket', () => parserLike(), 'parser.socket is not its connection'],
  ])('%s', (_, make, why) => {
    const own = make()
    const before = typeof own === 'object' && own !== null ? Object.getOwnPropertyDescriptors(own) : own
    const connection = foreign(own)
    expect(readByTheBook(connection)).toBe(why)
    expect(typeof own === 'object' && own !== null ? Object.getOwnPropertyDescriptors(own) : own).toEqual(
      before,
    )
    expect(connection.listenerCount('end')).toBe(new Socket().listenerCount('end'))
  })

  test.each([
    ['ptr', null],
    ['statusCode', ''],
    ['paused', undefined],
    ['headers', new Map()],
    ['headersSize', 1n],
    ['contentLength', undefined],
    ['timeout', 7],
  ])('%s is %o', (field, value) => {
    const connection = new Socket()
    const own = parserLike({ socket: connection, [field]: value })
    expect(parserMisfit(own, connection)).toBe(`parser.${field} is not what it was`)
  })

  test('one that takes nothing new', () => {
    const connection = new Socket()
    const own = Object.preventExtensions(parserLike({ socket: connection }))
    expect(parserMisfit(own, connection)).toBe('parser is sealed')
  })
})

test('a connection that undici has not taken, or taken for HTTP/2, is not a foreign one', () => {
  expect(readByTheBook(new Socket().destroy())).toBeUndefined()
  expect(readByTheBook(Object.assign(new Socket(), { alpnProtocol: 'h2' }))).toBeUndefined()
})

describe('with another undici', () => {
  const methods = (): Record<string, unknown> => Object.getPrototypeOf(parser) as Record<string, unknown>
  let known: unknown
  afterEach(() => {
    methods()['finish'] = known
  })

  test('requests succeed, and the log says once what it costs', async () => {
    known = methods()['finish']
    methods()['finish'] = function (this: object, flush: boolean): unknown {
      return (known as (flush: boolean) => unknown).call(this, flush)
    }
    const origin = await serve((_, response) => setImmediate(() => response.end('hello')))
    const warnings: [object, string][] = []
    const client = createClient('orders', {
      resolver: fixedResolver([origin]),
      logger: {
        info: () => undefined,
        warn: (fields, message) => warnings.push([fields, message]),
        error: () => undefined,
      },
    })
    afterwards(() => client.close())
    const texts = await Promise.all(
      [1, 2, 3].map(async () => (await client.request({ path: '/' })).body.text()),
    )
    expect(texts).toEqual(['hello', 'hello', 'hello'])
    expect(client.inspect().endpoints).toMatchObject([{ connections: 3 }])
    const misfit = 'parser.finish takes 1 arguments instead of 0'
    expect(warnings).toEqual([[{ service: 'orders', misfit }, expect.stringContaining(misfit) as unknown]])
  })
})
