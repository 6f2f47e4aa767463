import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import * as https from 'node:https'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../consul/authority.test.support.js'
import { createClient, fixedResolver, type Client } from '../index.js'

type End = 'close_notify' | 'fin' | 'rst'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-tls-'))
let ca: Buffer
let context: SecureContext
let server: Server
/** What is answered, and how the connection ends then. */
let script: { readonly text: string; readonly end: End }
let client: Client

beforeAll(async () => {
  const authority = new Authority(folder, 'authority')
  const { certFile, keyFile } = authority.issue('server', '127.0.0.1')
  ca = readFileSync(authority.certFile)
  context = createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
  server = createServer({ noDelay: true }, (raw) => {
    raw.on('error', () => undefined)
    const secure = new TLSSocket(raw, { isServer: true, secureContext: context })
    secure.on('error', () => undefined)
    secure.once('data', () => secure.write(script.text, () => end(raw, secure)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  rmSync(folder, { recursive: true })
})
afterEach(() => client.dispatcher.destroy())

function end(raw: Socket, secure: TLSSocket): void {
  if (script.end === 'close_notify') secure.end()
  // Below TLS, which says nothing of it: as when the cable is cut, or a FIN is forged.
  if (script.end === 'fin') raw.end()
  if (script.end === 'rst') raw.resetAndDestroy()
}

function url(): string {
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function readByUs(): Promise<string | Error> {
  client = createClient('orders', {
    resolver: fixedResolver([url()]),
    connections: { tls: { ca } },
    logger: { info: ignore, warn: ignore, error: ignore },
    retry: false,
  })
  try {
    return await (await client.request({ path: '/' })).body.text()
  } catch (error) {
    return error as Error
  }
}

function readByNode(): Promise<string | Error> {
  return new Promise((resolve) => {
    const request = https.get(url(), { ca, agent: false }, (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (text: string) => (body += text))
      response.on('error', resolve)
      response.on('end', () => resolve(body))
    })
    request.on('error', resolve)
  })
}

function ignore(): void {}

const OK = 'HTTP/1.1 200 OK\r\n'
const CUT = expect.any(Error) as Error

describe('a response over TLS that ends with its connection', () => {
  test.each([
    ['a length, and less', `${OK}Content-Length: 9\r\n\r\nabc`],
    ['a length and close, and less', `${OK}Content-Length: 9\r\nConnection: close\r\n\r\nabc`],
    ['chunks, and no last one', `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`],
    [
      'chunks and close, and no last one',
      `${OK}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    ],
  ])('is cut whatever the end says: %s', async (_, text) => {
    for (const end of ['close_notify', 'fin', 'rst'] as const) {
      script = { text, end }
      expect(await readByUs(), end).toEqual(CUT)
    }
  })

  test.each(['', 'Connection: close\r\n'])(
    'is whole where it says so by close_notify: %j',
    async (headers) => {
      script = { text: `${OK}${headers}\r\nabc`, end: 'close_notify' }
      expect(await readByUs()).toBe('abc')
    },
  )

  // Decision 45. Should this fail with a new Node, it tells the two ends apart, and the body has to be an error.
  test('and has nothing else to say so is taken for whole without close_notify, as by node:https', async () => {
    script = { text: `${OK}\r\nabc`, end: 'fin' }
    expect(await readByNode()).toBe('abc')
    expect(await readByUs()).toBe('abc')
  })
})
