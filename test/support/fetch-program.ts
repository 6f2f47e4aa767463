import assert from 'node:assert/strict'
import { createClient, FairleadError } from '@fairlead/sdk'

// Everything a user may do with a client, in a Node of any version: fetch-program.js <agent> <service>.
// The service is the one that global-fetch.test.ts serves.

const [agent = '', service = ''] = process.argv.slice(2)
const base = `http://${service}`
const client = createClient(service, { consul: { address: agent }, timeoutMs: 10_000 })
const { dispatcher } = client
// Node's types of `dispatcher` are those of its own undici; what it takes at run time is what is tried here.
const through = { dispatcher } as unknown as RequestInit

interface Echo {
  readonly method: string
  readonly url: string
  readonly body: string
  readonly type: string | undefined
}

const cases: Readonly<Record<string, () => Promise<void>>> = {
  async 'global fetch, GET'() {
    const response = await fetch(`${base}/v1/orders/42?full=1`, through)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-served-by'), 'orders')
    assert.deepEqual(pick(await response.json()), { method: 'GET', url: '/v1/orders/42?full=1', body: '' })
  },
  async 'global fetch, POST'() {
    const response = await fetch(`${base}/post`, { ...through, method: 'POST', body: 'a body' })
    assert.deepEqual(pick(await response.json()), { method: 'POST', url: '/post', body: 'a body' })
  },
  async 'global fetch, POST of a stream'() {
    const body = new ReadableStream({
      start(controller) {
        for (const part of ['one ', 'two ', 'three']) controller.enqueue(new TextEncoder().encode(part))
        controller.close()
      },
    })
    const init = { ...through, method: 'POST', body, duplex: 'half' } as RequestInit
    const response = await fetch(`${base}/stream`, init)
    assert.deepEqual(pick(await response.json()), { method: 'POST', url: '/stream', body: 'one two three' })
  },
  async 'global fetch, a form'() {
    const body = new FormData()
    body.set('name', 'value')
    const response = await fetch(`${base}/form`, { ...through, method: 'POST', body })
    const echo = (await response.json()) as Echo
    assert.match(echo.type ?? '', /^multipart\/form-data; boundary=/)
    assert.match(echo.body, /name="name"\r\n\r\nvalue\r\n/)
  },
  async 'global fetch, a status that is not a success'() {
    const response = await fetch(`${base}/status/503`, through)
    assert.equal(response.status, 503)
    assert.equal(response.ok, false)
  },
  async 'global fetch, a redirect within the service'() {
    const response = await fetch(`${base}/redirect`, through)
    assert.equal(response.redirected, true)
    assert.equal(pick(await response.json()).url, '/target')
  },
  async 'global fetch, a compressed body'() {
    const response = await fetch(`${base}/gzip`, through)
    assert.equal(await response.text(), 'compressed')
  },
  async 'global fetch, a body that streams'() {
    await streams(await fetch(`${base}/slow`, through))
  },
  async 'global fetch, aborted before the head'() {
    await abortsBeforeTheHead((signal) => fetch(`${base}/never`, { ...through, signal }))
  },
  async 'global fetch, aborted within the body'() {
    await abortsWithinTheBody((signal) => fetch(`${base}/slow`, { ...through, signal }))
  },
  async 'global fetch, AbortSignal.timeout'() {
    const fetching = fetch(`${base}/never`, { ...through, signal: AbortSignal.timeout(100) })
    await assert.rejects(fetching, { name: 'TimeoutError' })
  },
  async 'global fetch, an origin of another service'() {
    const error = await failure(fetch('http://another/', through))
    assert(error.cause instanceof FairleadError)
    assert.equal(error.cause.code, 'INVALID_OPTION')
  },
  async 'global fetch, many at once'() {
    const fetching = Array.from({ length: 200 }, async (_, index) => {
      const response = await fetch(`${base}/${index}`, through)
      return pick(await response.json()).url
    })
    assert.deepEqual(
      await Promise.all(fetching),
      fetching.map((_, index) => `/${index}`),
    )
  },
  async 'client.fetch, GET'() {
    const response = await client.fetch('/v1/orders/42')
    assert(response instanceof Response)
    assert.deepEqual(pick(await response.json()), { method: 'GET', url: '/v1/orders/42', body: '' })
    const whole = await client.fetch(new URL(`${base}/whole`))
    assert.equal(pick(await whole.json()).url, '/whole')
  },
  async 'client.fetch, POST'() {
    const response = await client.fetch('/post', { method: 'POST', body: 'a body' })
    assert.deepEqual(pick(await response.json()), { method: 'POST', url: '/post', body: 'a body' })
  },
  async 'client.fetch, a body that streams'() {
    await streams(await client.fetch('/slow'))
  },
  async 'client.fetch, aborted'() {
    await abortsBeforeTheHead((signal) => client.fetch('/never', { signal }))
    await abortsWithinTheBody((signal) => client.fetch('/slow', { signal }))
  },
  async 'client.request, GET'() {
    const { statusCode, headers, body } = await client.request({ path: '/v1/orders/42' })
    assert.equal(statusCode, 200)
    assert.equal(headers['x-served-by'], 'orders')
    assert.deepEqual(pick(await body.json()), { method: 'GET', url: '/v1/orders/42', body: '' })
  },
  async 'client.request, POST'() {
    const { body } = await client.request({ path: '/post', method: 'POST', body: 'a body' })
    assert.deepEqual(pick(await body.json()), { method: 'POST', url: '/post', body: 'a body' })
  },
  async 'client.request, a body that streams'() {
    const { body } = await client.request({ path: '/slow' })
    const chunks: string[] = []
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk.toString())
      if (chunks.length === 1) await release()
    }
    assert.deepEqual(chunks, ['first ', 'last'])
  },
  async 'client.request, aborted'() {
    const controller = new AbortController()
    const requesting = client.request({ path: '/never', signal: controller.signal })
    await arrived('/never')
    controller.abort(new Error('no longer wanted'))
    await assert.rejects(requesting, { message: 'no longer wanted' })
  },
  async 'await using'() {
    // Not by the keyword, which Node 20 does not know: by what it calls.
    const other = createClient(service, { consul: { address: agent } })
    await other.ready()
    await other[Symbol.asyncDispose]()
    await assert.rejects(other.request({ path: '/' }), { code: 'CLIENT_CLOSED' })
  },
}

for (const [name, run] of Object.entries(cases)) {
  try {
    await run()
    console.log(`passed: ${name}`)
  } catch (error) {
    console.log(`failed: ${name}`)
    console.error(name, error)
  }
}
// A request that was abandoned must not hold this up; nor may anything keep the process alive after it.
await client.close()
console.log('closed')

function pick(answer: unknown): Omit<Echo, 'type'> {
  const { method, url, body } = answer as Echo
  return { method, url, body }
}

/** The first chunk is there while the server still holds the last. */
async function streams({ body }: Response): Promise<void> {
  assert(body !== null)
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  assert.deepEqual(await reader.read(), { done: false, value: 'first ' })
  await release()
  assert.deepEqual(await reader.read(), { done: false, value: 'last' })
  assert.equal((await reader.read()).done, true)
}

async function abortsBeforeTheHead(start: (signal: AbortSignal) => Promise<Response>): Promise<void> {
  const controller = new AbortController()
  const starting = start(controller.signal)
  await arrived('/never')
  controller.abort()
  await assert.rejects(starting, { name: 'AbortError' })
  await brokenOff('/never')
}

async function abortsWithinTheBody(start: (signal: AbortSignal) => Promise<Response>): Promise<void> {
  const controller = new AbortController()
  const { body } = await start(controller.signal)
  assert(body !== null)
  const reader = body.getReader()
  await reader.read()
  controller.abort()
  await assert.rejects(reader.read(), { name: 'AbortError' })
  await brokenOff('/slow')
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error as Error,
  )
}

/** Lets the server finish `/slow`. */
async function release(): Promise<void> {
  await (await client.request({ path: '/control/release' })).body.dump()
}

/** Waits until a request of this path is with the server. */
async function arrived(path: string): Promise<void> {
  await (await client.request({ path: `/control/arrived${path}` })).body.dump()
}

/** Waits until the server has seen the end of its last request of this path. */
async function brokenOff(path: string): Promise<void> {
  await (await client.request({ path: `/control/broken${path}` })).body.dump()
}
