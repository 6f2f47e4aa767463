import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from '../index.js'
import { serve } from '../client.test.support.js'
import { ManualClock } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'

let client: Client
afterEach(() => client.dispatcher.destroy())

const TIMEOUT_MS = 30_000

/** A source that gives one chunk, and then what the test tells it to. */
class Source {
  readonly stream: PassThrough = new PassThrough()

  async *chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of this.stream) yield chunk as Buffer
  }
}

describe.each<[string, (source: Source) => unknown]>([
  ['a Readable', ({ stream }) => stream],
  ['an async iterable', (source) => source.chunks()],
  ['a web stream', (source) => ReadableStream.from(source.chunks())],
])('an upload from %s', (_, bodyOf) => {
  let clock: ManualClock
  /** Bytes that the server has. */
  let taken: number
  let source: Source

  /** In an object, as a promise of a promise is one. */
  async function upload(): Promise<{ readonly ended: Promise<unknown> }> {
    clock = new ManualClock()
    taken = 0
    source = new Source()
    const origin = await serve((request, response) => {
      request.on('data', (chunk: Buffer) => (taken += chunk.length))
      request.on('end', () => response.end())
    })
    client = createClient('orders', { resolver: fixedResolver([origin]), clock, timeoutMs: TIMEOUT_MS })
    const sent = client.request({ path: '/', method: 'POST', body: bodyOf(source) as PassThrough })
    const ended = sent.then(
      async ({ statusCode, body }) => {
        await body.dump()
        return statusCode
      },
      (error: unknown) => (error as { code: string }).code,
    )
    source.stream.write('some')
    await until(() => taken === 4)
    return { ended }
  }

  test('that its caller does not go on with is no failure of its endpoint at the deadline', async () => {
    const { ended } = await upload()
    await clock.advance(TIMEOUT_MS)
    expect(await ended).toBe('DEADLINE_EXCEEDED')
    expect(client.inspect().endpoints).toMatchObject([
      { availability: { state: 'available' }, failures: 0, inflight: 0 },
    ])
  })

  test('that pauses and goes on is no slow endpoint', async () => {
    const { ended } = await upload()
    for (let n = 0; n < 5; n++) {
      await clock.advance(TIMEOUT_MS - 1000)
      source.stream.write('more')
      await until(() => taken === 8 + 4 * n)
    }
    source.stream.end()
    expect(await ended).toBe(200)
    const [endpoint] = client.inspect().endpoints
    expect(endpoint).toMatchObject({ failures: 0 })
    expect(endpoint?.latencyMs).toBeLessThan(1000)
  })
})

test('an endpoint that has the whole upload, or does not read it, is blamed as ever', async () => {
  const clock = new ManualClock()
  let asked = 0
  const origin = await serve((request) => {
    asked++
    // One reads all and says nothing, the other does not even read.
    if (request.url === '/reads') request.resume()
  })
  client = createClient('orders', { resolver: fixedResolver([origin]), clock, timeoutMs: TIMEOUT_MS })
  const flood = new PassThrough()
  const more = (): void => {
    while (!flood.destroyed && flood.write(Buffer.alloc(65_536)));
  }
  flood.on('drain', more).on('error', () => undefined)
  more()
  const whole = new PassThrough()
  whole.end('all of it')
  const sent = [
    client.request({ path: '/reads', method: 'POST', body: whole }),
    client.request({ path: '/stands', method: 'POST', body: flood }),
  ]
  const ended = Promise.allSettled(sent)
  // What the system's buffers take moves the deadline on, until nothing moves any more.
  await until(() => asked === 2 && flood.isPaused())
  await clock.advance(TIMEOUT_MS)
  await clock.advance(TIMEOUT_MS)
  for (const { status } of await ended) expect(status).toBe('rejected')
  expect(client.inspect().endpoints).toMatchObject([{ failures: 2, inflight: 0 }])
})
