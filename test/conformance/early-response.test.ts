import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { serveRaw } from '#sidecar/testing/rig.test.support.js'
import { Wire } from './wire.js'

const MIB = 1024 * 1024

const HEAD = 'HTTP/1.1 413 Too much\r\nContent-Length: 4\r\n'

/** What an instance does when the upload has begun. */
const INSTANCES: readonly (readonly [name: string, answer: (socket: Socket) => void])[] = [
  ['reads on', (socket) => socket.write(`${HEAD}\r\nmuch`)],
  ['reads on, and says close', (socket) => socket.write(`${HEAD}Connection: close\r\n\r\nmuch`)],
  ['reads no more', (socket) => socket.pause().write(`${HEAD}\r\nmuch`)],
  ['closes its side', (socket) => socket.end(`${HEAD}Connection: close\r\n\r\nmuch`)],
  ['closes its side without a word of it', (socket) => socket.end(`${HEAD}\r\nmuch`)],
  [
    'closes, with bytes unread, which resets the connection',
    (socket) => socket.pause().write(`${HEAD}Connection: close\r\n\r\nmuch`, () => socket.destroy()),
  ],
  [
    'resets the connection',
    (socket) => socket.pause().write(`${HEAD}Connection: close\r\n\r\nmuch`, () => socket.resetAndDestroy()),
  ],
  [
    'resets the connection without a word of it',
    (socket) => socket.write(`${HEAD}\r\nmuch`, () => socket.resetAndDestroy()),
  ],
]

const UPLOADS = [
  ['of known length', `Content-Length: ${16 * MIB}\r\n`, 'x'.repeat(MIB)],
  ['chunked', 'Transfer-Encoding: chunked\r\n', `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n`],
] as const

describe.each(UPLOADS)('an answer before the end of an upload %s arrives', (_, framing, piece) => {
  test.each(INSTANCES)('where the instance %s', async (_, answer) => {
    const instance = await serveRaw((socket) => {
      let read = 0
      let answered = false
      socket.on('data', (chunk) => {
        read += chunk.length
        // A part of the body as well: the rest is on its way, or held up on the other side.
        if (answered || read < 100_000) return
        answered = true
        answer(socket)
      })
    })
    const wire = await Wire.start({ instance })
    const application = wire.connect()
    await application.write(`POST /a HTTP/1.1\r\nHost: orders\r\n${framing}\r\n`)
    for (let sent = 0; sent < 16; sent++) application.socket.write(piece)
    const [first] = await application.answered(1)
    expect([first?.status, first?.body]).toEqual([413, 'much'])
    expect(application.reset).toBe(false)
  })
})
