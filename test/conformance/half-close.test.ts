import { describe, expect, test } from 'vitest'
import { Rig, serve, settled, until } from '#sidecar/testing/rig.test.support.js'
import { Application, Wire } from './wire.js'

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: orders\r\n'

/** Answers when the client's FIN has long been there. */
async function startSlow(): Promise<{ wire: Wire; answer: () => void }> {
  const answers: (() => void)[] = []
  const wire = await Wire.start({
    answer: (_, response, { body }) => void answers.push(() => response.end(`got ${body}`)),
  })
  return {
    wire,
    answer: () => {
      for (const each of answers.splice(0)) each()
    },
  }
}

/** The sidecar has read everything the application has sent: the admin port's answer comes through its event loop. */
async function readBy(rig: Rig): Promise<void> {
  for (let round = 0; round < 3; round++) await rig.admin('/healthz')
}

describe('a client that closes its sending side gets its answers', () => {
  test.each<[string, string[], string[]]>([
    ['GET', [GET], ['']],
    ['GET of HTTP/1.0', ['GET / HTTP/1.0\r\nHost: orders\r\n\r\n'], ['']],
    ['POST with a length', [`${POST}Content-Length: 5\r\n\r\n`, 'hello'], ['hello']],
    [
      'POST in chunks',
      [`${POST}Transfer-Encoding: chunked\r\n\r\n`, '5\r\nhello\r\n', '0\r\n\r\n'],
      ['hello'],
    ],
    ['GETs in the pipeline', [GET + GET + GET], ['', '', '']],
    [
      'POSTs in the pipeline, which wait for one another',
      [`${POST}Content-Length: 1\r\n\r\na${POST}Content-Length: 1\r\n\r\nb`],
      ['a', 'b'],
    ],
  ])('%s', async (_, segments, bodies) => {
    const { wire, answer } = await startSlow()
    const application = await wire.connect().write(...segments)
    application.socket.end()
    let answered = 0
    while (answered < bodies.length) {
      await until('it is at the instance', () => wire.got.length > answered)
      await readBy(wire.rig)
      answered = wire.got.length
      answer()
    }
    const answers = await application.end()
    expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual(
      bodies.map((body) => `200 got ${body}`),
    )
    expect(answers.at(-1)?.headers['connection']).toBe('close')
    expect(application.rest).toBe('')
    expect(application.reset).toBe(false)
    expect((await wire.rig.inspect()).endpoints[0]).toMatchObject({
      requests: bodies.length,
      failures: 0,
      inflight: 0,
    })
  })

  test('also one that is long, in full', async () => {
    const long = 'x'.repeat(3_000_000)
    const wire = await Wire.start({ answer: (_, response) => response.end(long) })
    const application = await wire.connect().write(GET)
    application.socket.end()
    const [answer] = await application.end()
    expect(answer?.body.length).toBe(long.length)
    expect(application.reset).toBe(false)
  })

  test('of the admin port, too', async () => {
    const wire = await Wire.start()
    const application = await wire.connectAdmin().write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    application.socket.end()
    expect((await application.end()).map(({ status }) => status)).toEqual([200])
  })

  test('a connection without a request in flight just ends', async () => {
    const wire = await Wire.start()
    const application = await wire.connect().write(GET)
    await application.answered(1)
    application.socket.end()
    expect(await application.end()).toHaveLength(1)
    await until('it is closed', () => application.closed)
    expect(application.reset).toBe(false)
  })
})

test.each([
  ['a head', 'GET / HTTP/1.1\r\nHost: ord'],
  ['a body', `${POST}Content-Length: 5\r\n\r\nhel`],
  ['a long body', `${POST}Content-Length: 500000\r\n\r\nhel`],
  ['chunks', `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
])('what is cut within %s is broken, and no instance takes it for a request', async (_, text) => {
  const wire = await Wire.start()
  const application = await wire.connect().write(text)
  application.socket.end()
  const answers = await application.end()
  expect(answers.map(({ status }) => status)).toEqual([400])
  expect(answers[0]?.headers['x-fairlead-error']).toBe('BAD_REQUEST')
  expect(wire.got).toEqual([])
})

describe('a client that has gone after its request', () => {
  /** Pieces of a response that the instance has written. */
  let longRead = 0

  /** An instance that holds its responses, each begun or not. */
  async function startHolding(begin: boolean): Promise<{ rig: Rig; open: () => number; write: () => void }> {
    let open = 0
    let write = (): void => undefined
    const instance = await serve((_, response) => {
      open++
      response.on('close', () => open--)
      if (!begin) return
      response.write('begun')
      write = () => void response.write('more')
    })
    return { rig: await Rig.start([instance]), open: () => open, write: () => write() }
  }

  test.each([
    ['without a word', (application: Application) => application.socket.resetAndDestroy()],
    [
      'with its sending side closed before',
      async (application: Application, rig: Rig) => {
        application.socket.end()
        await readBy(rig)
        application.socket.resetAndDestroy()
      },
    ],
  ])('by a reset, %s: the instance is let go, although nothing is written', async (_, leave) => {
    const { rig, open } = await startHolding(false)
    const application = await new Application(rig.port).write(GET)
    await until('it is at the instance', () => open() === 1)
    await leave(application, rig)
    await until('the instance is let go', () => open() === 0)
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests: 1, failures: 0 })
  })

  test('by closing, in the middle of a response: the next bytes of it find that out', async () => {
    const { rig, open, write } = await startHolding(true)
    const application = await new Application(rig.port).write(GET)
    await until('the response has begun', () => application.received.includes('begun'))
    application.socket.destroy()
    await until('the instance is let go', () => {
      write()
      return open() === 0
    })
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests: 1, failures: 0 })
  })

  test.each<[string, (application: Application) => Promise<unknown>, number]>([
    [
      'while a request waits for the one before it',
      (application) => application.write(`${GET}${POST}Content-Length: 2\r\n\r\nhi`),
      1,
    ],
    [
      'while a long response waits for the one before it, so that no more requests are read',
      async (application) => {
        await application.write(GET + GET.replace('/', '/long'))
        await settled('what the sidecar reads ahead', () => longRead)
        await application.write(GET)
      },
      3,
    ],
    [
      'while the instance takes no more of an upload',
      async (application) => {
        await application.write(`${POST}Content-Length: 50000000\r\n\r\n`)
        application.socket.write('x'.repeat(50_000_000))
        await settled('the upload', () => application.socket.bytesWritten - application.socket.writableLength)
      },
      1,
    ],
  ])('by a reset, %s: the instance is let go', async (_, write, requests) => {
    let received = 0
    longRead = 0
    const instance = await serve((request, response) => {
      received++
      if (request.url !== '/long') return
      const more = (): void => {
        while (response.write('x'.repeat(65_536))) longRead++
        longRead++
        response.once('drain', more)
      }
      more()
    })
    const rig = await Rig.start([instance], { timeoutMs: 60_000 })
    const application = new Application(rig.port)
    await write(application)
    await until('it is at the instance', () => received === requests)
    application.socket.resetAndDestroy()
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests, failures: 0 })
  })
})
