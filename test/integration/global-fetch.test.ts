import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { built, Child } from '../support/child.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer } from '../support/http-server.js'
import { nodeBinary } from '../support/node-versions.js'
import { eventually } from '../support/poll.js'

const agent = inject('consul').address

// As the issue names them; each has an undici of its own behind `fetch`, of three generations.
describe.each([20, 22, 24, 26])('Node %i', (major) => {
  let node: string
  beforeAll(async () => {
    node = await nodeBinary(major)
  })

  test('takes the dispatcher in its own fetch, and client.fetch and client.request work', async () => {
    await using service = new TestService(agent)
    const peer = new Peer()
    await using server = await startHttpServer((request, response) => void peer.serve(request, response))
    await service.add('a', { port: server.port })
    const program = built('test/dist/support/fetch-program.js')
    await using child = new Child(node, [program, agent, service.name])
    const { lines } = child
    const ending = await child.ended
    expect(child.stderr).toBe('')
    expect(lines.filter((line) => line.startsWith('failed'))).toEqual([])
    expect(lines.at(-1)).toBe('closed')
    expect(lines.filter((line) => line.startsWith('passed')).length).toBeGreaterThan(20)
    expect(ending).toEqual({ code: 0, signal: null })
  })
})

/** The other side of fetch-program.ts: an echo, and paths that hold an answer back until they are told. */
class Peer {
  readonly #held = new Map<string, ServerResponse>()

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', method } = request
    response.setHeader('x-served-by', 'orders')
    const [, control, what, path] = /^\/(control)\/(\w+)(\/\w+)?$/.exec(url) ?? []
    if (control !== undefined) await this.#control(what, path ?? '/slow')
    if (url === '/never' || url === '/slow') {
      this.#held.set(url, response)
      if (url === '/slow') response.write('first ')
      return
    }
    if (url.startsWith('/status/')) response.statusCode = Number(url.slice('/status/'.length))
    if (url === '/redirect') response.writeHead(302, { location: '/target' })
    if (url === '/gzip') {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('compressed'))
      return
    }
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    response.end(JSON.stringify({ method, url, body, type: request.headers['content-type'] }))
  }

  async #control(what: string | undefined, path: string): Promise<void> {
    const held = await eventually(() => this.#held.get(path), { what: `a request of ${path}` })
    if (what === 'release') held.end('last')
    if (what === 'broken') await eventually(() => held.closed, { what: `the end of ${path}` })
    if (what !== 'arrived') this.#held.delete(path)
  }
}
