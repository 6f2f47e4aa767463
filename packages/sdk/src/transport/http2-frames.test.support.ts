import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterwards } from '../client.test.support.js'

/** RFC 9113, 6. */
export const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7 } as const
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
export const ACK = 0x1
const PREFACE_BYTES = 24

/** RFC 7541, appendix A, index 8: `:status: 200`. */
export const STATUS_200: Buffer = Buffer.from([0x88])

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** What a node server never sends: its frames are those of the test. */
export interface FrameServer {
  readonly origin: string
  readonly sockets: readonly Socket[]
  /** Takes no more connections. */
  stop(): void
}

/** Sends SETTINGS, acknowledges ours, and says what else has come: each stream that begins, each PING. */
export async function serveFrames(
  onRequest: (socket: Socket, streamId: number) => void,
  onPing: (socket: Socket, payload: Buffer) => void = () => undefined,
  onFrame: (type: number, flags: number, payload: Buffer) => void = () => undefined,
): Promise<FrameServer> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.write(frame(FRAME.SETTINGS, 0, 0))
    let received = Buffer.alloc(0)
    let prefaced = false
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (!prefaced && received.length >= PREFACE_BYTES) {
        prefaced = true
        received = received.subarray(PREFACE_BYTES)
      }
      while (prefaced && received.length >= 9) {
        const length = received.readUIntBE(0, 3)
        if (received.length < 9 + length) return
        const [type, flags, streamId] = [
          received.readUInt8(3),
          received.readUInt8(4),
          received.readUInt32BE(5),
        ]
        const payload = received.subarray(9, 9 + length)
        received = received.subarray(9 + length)
        onFrame(type, flags, payload)
        if (type === FRAME.SETTINGS && (flags & ACK) === 0) socket.write(frame(FRAME.SETTINGS, ACK, 0))
        if (type === FRAME.HEADERS) onRequest(socket, streamId)
        if (type === FRAME.PING && (flags & ACK) === 0) onPing(socket, payload)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = (): void => {
    if (server.listening) server.close()
  }
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    stop()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, stop }
}
