import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { settled } from '#sidecar/testing/rig.test.support.js'
import { testCases } from './cases.js'
import { Wire } from './wire.js'

function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: orders\r\n${headers}\r\n`
}

function post(path: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\n${headers}\r\nhello`
}

const CLOSE = 'Connection: close\r\n'

describe('in one segment', () => {
  testCases([
    {
      name: 'requests are served in their order',
      write: [get('/1') + post('/2') + post('/3') + get('/4') + get('/5')],
      statuses: [200, 200, 200, 200, 200],
      got: ['GET /1', 'POST /2 hello', 'POST /3 hello', 'GET /4', 'GET /5'],
    },
    {
      name: 'what follows Connection: close is ignored',
      write: [post('/1', CLOSE) + post('/2') + get('/3'), post('/4')],
      statuses: [200],
      got: ['POST /1 hello'],
      ends: true,
    },
    {
      name: 'what is broken and follows Connection: close is ignored',
      write: [`${post('/1', CLOSE)}no request\r\n\r\n`],
      statuses: [200],
      got: ['POST /1 hello'],
      ends: true,
    },
    {
      name: 'what follows HTTP/1.0 is ignored',
      write: [`GET /1 HTTP/1.0\r\nHost: orders\r\n\r\n${post('/2')}`],
      statuses: [200],
      got: ['GET /1'],
      ends: true,
    },
    ...['close, keep-alive', 'keep-alive, close'].map((options) => ({
      name: `what follows HTTP/1.0 with Connection: ${options} is ignored`,
      write: [`GET /1 HTTP/1.0\r\nHost: orders\r\nConnection: ${options}\r\n\r\n${post('/2')}`],
      statuses: [200],
      got: ['GET /1'],
      ends: true,
    })),
    {
      name: 'a broken request behind a good one: the answer to the good one comes first',
      write: [`${post('/1')}no request\r\n\r\n`],
      statuses: [200, 400],
      got: ['POST /1 hello'],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'what is broken and follows a request that is refused without its 100 Continue is ignored',
      write: ['GET /1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\nno request\r\n\r\n'],
      statuses: [400],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'what follows a request that is refused without its 100 Continue is ignored',
      write: [
        post('/1') +
          'GET /2 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n' +
          `hello${get('/3')}${get('/4')}`,
      ],
      statuses: [200, 400],
      got: ['POST /1 hello'],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'a broken request behind many: their answers come first',
      write: [`${get('/1')}${post('/2')}${post('/3')}GET /4 HTTP/1.1\r\nHost : orders\r\n\r\n`],
      statuses: [200, 200, 200, 400],
      got: ['GET /1', 'POST /2 hello', 'POST /3 hello'],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'nothing that follows a broken request is run',
      write: [`no request\r\n\r\n${post('/1')}`, post('/2')],
      statuses: [400],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'a broken body behind a good request: both are answered, and the broken one is not run twice',
      write: [
        `${post('/1')}POST /2 HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n${post('/3')}`,
      ],
      statuses: [200, 400],
      got: ['POST /1 hello'],
      ends: true,
      error: 'BAD_REQUEST',
    },
    {
      name: 'one that is refused does not stand in the way',
      write: [post('/1') + get('/2').replace('orders', 'localhost') + post('/3')],
      statuses: [200, 400, 200],
      got: ['POST /1 hello', 'POST /3 hello'],
    },
    {
      name: 'a request of another version',
      write: [post('/1') + get('/2').replace('HTTP/1.1', 'HTTP/2.0') + post('/3')],
      statuses: [200, 505],
      got: ['POST /1 hello'],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    },
  ])
})

/** An instance that answers when the test says so. */
async function startHolding(): Promise<{ wire: Wire; held: ServerResponse[] }> {
  const held: ServerResponse[] = []
  const wire = await Wire.start({ answer: (_, response) => void held.push(response) })
  return { wire, held }
}

function release(held: ServerResponse[], count = held.length): void {
  for (const response of held.splice(0, count)) response.end()
}

describe('what runs at once', () => {
  test('safe requests do, up to a limit', async () => {
    const { wire, held } = await startHolding()
    const application = await wire
      .connect()
      .write(Array.from({ length: 20 }, (_, n) => get(`/${n}`)).join(''))
    await expect.poll(() => held.length).toBe(8)
    release(held, 3)
    await expect.poll(() => held.length).toBe(8)
    expect(wire.got.length).toBe(11)
    while (application.statuses.length < 20) {
      release(held)
      await application.write('')
    }
    expect(wire.gist.sort()).toEqual(Array.from({ length: 20 }, (_, n) => `GET /${n}`).sort())
  })

  test('a request that is not safe waits for those before it, and those behind wait for it', async () => {
    const { wire, held } = await startHolding()
    const application = await wire.connect().write(get('/1') + get('/2') + post('/3') + get('/4'), get('/5'))
    await expect.poll(() => wire.gist.toSorted()).toEqual(['GET /1', 'GET /2'])
    release(held, 1)
    await application.answered(1)
    await application.write(post('/6'))
    expect(wire.got.length).toBe(2)
    release(held)
    await expect.poll(() => wire.gist.at(-1)).toBe('POST /3 hello')
    await application.write('')
    expect(wire.got.length).toBe(3)
    release(held)
    await expect.poll(() => wire.gist.slice(3).toSorted()).toEqual(['GET /4', 'GET /5'])
    release(held)
    await expect.poll(() => wire.gist.at(-1)).toBe('POST /6 hello')
    release(held)
    expect((await application.answered(6)).length).toBe(6)
  })

  test('what waits is not run for an application that has gone', async () => {
    const { wire, held } = await startHolding()
    const application = await wire.connect().write(post('/1') + post('/2') + post('/3'))
    await expect.poll(() => held.length).toBe(1)
    application.socket.resetAndDestroy()
    release(held)
    await wire.rig.idle()
    // Another connection's request comes after whatever was let go.
    await wire.connect().write(get('/4'))
    await expect.poll(() => wire.gist).toEqual(['POST /1 hello', 'GET /4'])
  })

  test('nothing is read while a request waits', async () => {
    const { wire, held } = await startHolding()
    const application = await wire.connect().write(post('/1') + post('/2'))
    // More than the buffers of both ends hold.
    application.socket.write(get('/n').repeat(400_000))
    await expect.poll(() => held.length).toBe(1)
    await settled('what is sent', () => application.socket.bytesWritten - application.socket.writableLength)
    expect(application.socket.writableLength).toBeGreaterThan(0)
    application.socket.destroy()
  })

  test('a body that is longer than what is read ahead arrives, behind a request that is waited for', async () => {
    const { wire, held } = await startHolding()
    const long = 'x'.repeat(5_000_000)
    const application = wire.connect()
    await application.write(
      `${post('/1')}POST /2 HTTP/1.1\r\nHost: orders\r\nContent-Length: ${long.length}\r\n\r\n`,
    )
    application.socket.write(long)
    await expect.poll(() => held.length).toBe(1)
    release(held)
    await expect.poll(() => wire.got.at(1)?.body.length).toBe(long.length)
    release(held)
    expect((await application.answered(2)).length).toBe(2)
  })

  test('the last one arrives although it waited and its body comes later', async () => {
    const { wire, held } = await startHolding()
    const [head, body] = post('/2', CLOSE).split(/(?<=\r\n\r\n)/)
    const application = await wire.connect().write(post('/1') + String(head))
    await expect.poll(() => held.length).toBe(1)
    await application.write(String(body))
    release(held)
    await expect.poll(() => wire.gist).toEqual(['POST /1 hello', 'POST /2 hello'])
    release(held)
    expect((await application.end()).map(({ status }) => status)).toEqual([200, 200])
  })
})

test('what still comes behind the last response is read, also where something had to wait', async () => {
  const wire = await Wire.start()
  const application = await wire.connect().write(get('/1', CLOSE) + get('/2'))
  await application.answered(1)
  await expect.poll(() => application.ended).toBe(true)
  // More than the buffers of both ends hold.
  const failure = await new Promise((resolve) => application.socket.write('x'.repeat(20_000_000), resolve))
  expect(failure ?? undefined).toBeUndefined()
  expect(application.statuses).toEqual([200])
})

test.each(['1.0', '1.1'])(
  'a response of HTTP/%s that is aborted in the queue: those before it arrive, and the connection ends in its place',
  async (version) => {
    const held: ServerResponse[] = []
    const aborting: ServerResponse[] = []
    const wire = await Wire.start({
      answer: (request, response) => {
        if (request.url !== '/2') held.push(response)
        else {
          aborting.push(response)
          response.writeHead(200)
          response.write('part')
        }
      },
    })
    const keep = 'Connection: keep-alive\r\n'
    const application = await wire
      .connect()
      .write([1, 2, 3].map((n) => get(`/${n}`, keep).replace('HTTP/1.1', `HTTP/${version}`)).join(''))
    await expect.poll(() => held.length + aborting.length).toBe(3)
    aborting[0]?.destroy()
    await expect
      .poll(() => wire.rig.log.map(({ message }) => message))
      .toContainEqual(expect.stringContaining('response aborted'))
    release(held)
    const answers = await application.end()
    expect(answers.map(({ status }) => status)).toEqual([200])
    expect(application.rest).toBe('')
    expect(application.reset).toBe(false)
    await wire.rig.idle()
  },
)

test('an answer that is given while the body arrives stands when the body turns out to be none', async () => {
  const wire = await Wire.start()
  // Known to be without instances, so that it is answered at once.
  await wire.rig.send({ headers: { host: 'absent' } })
  const application = wire.connect()
  await application.write(
    `${get('/1')}GET /2 HTTP/1.1\r\nHost: absent\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnone\r\n`,
  )
  const answers = await application.end()
  expect(answers.map(({ status }) => status)).toEqual([200, 503])
  expect(answers[1]?.headers['x-fairlead-error']).toBe('NO_ENDPOINTS')
  expect(application.rest).toBe('')
  expect(application.reset).toBe(false)
})
