// The two messages of grpc.health.v1 by hand (grpc/proto, health.proto): one string, one enumeration. Field 1 of either.
const SERVICE_TAG = (1 << 3) | 2
const STATUS_TAG = (1 << 3) | 0
const PREFIX_BYTES = 5

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** How a server answers for itself; `invalid`: what came is no such message. */
export type ServingStatus = (typeof STATUSES)[number] | 'invalid'

/** A HealthCheckRequest, behind the prefix that gRPC has before each message: not compressed, and its length. */
export function toCheckMessage(service: string): Buffer {
  const name = Buffer.from(service)
  // Of proto3 a value that is the default is not sent.
  const message = name.length === 0 ? name : Buffer.concat([tagged(SERVICE_TAG, name.length), name])
  const prefix = Buffer.alloc(PREFIX_BYTES)
  prefix.writeUInt32BE(message.length, 1)
  return Buffer.concat([prefix, message])
}

/** What a HealthCheckResponse says, behind its prefix. Fields that are not known are passed over, as protobuf has it. */
export function servingStatus(body: Buffer): ServingStatus {
  if (body.length < PREFIX_BYTES || body[0] !== 0) return 'invalid'
  if (body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return 'invalid'
  const reader = new Reader(body.subarray(PREFIX_BYTES))
  let status = 0
  while (!reader.atEnd) {
    const tag = reader.varint()
    const value = tag === undefined ? undefined : reader.value(tag & 7)
    if (tag === undefined || value === undefined) return 'invalid'
    // Of a field that comes twice the last one counts.
    if (tag === STATUS_TAG) status = value
  }
  return STATUSES[status] ?? 'UNKNOWN'
}

function tagged(tag: number, length: number): Buffer {
  return Buffer.from([tag, ...varintOf(length)])
}

/** Seven bits a byte, the least first; the highest bit: there is more. */
function varintOf(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return [...bytes, rest]
}

class Reader {
  readonly #bytes: Buffer
  #place = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#place >= this.#bytes.length
  }

  /** Undefined: it is cut, or longer than a varint may be. */
  varint(): number | undefined {
    let value = 0
    // Ten bytes hold 64 bits. Above 2^53 the number is not exact, which no number that is looked at comes near.
    for (let factor = 1, bytes = 0; bytes < 10; factor *= 128, bytes++) {
      const byte = this.#bytes[this.#place++]
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * factor
      if ((byte & 0x80) === 0) return value
    }
    return undefined
  }

  /** The value of a varint; of any other type 0, and it is passed over. Undefined: it is cut, or of no type there is. */
  value(wireType: number): number | undefined {
    if (wireType === 0) return this.varint()
    const length = wireType === 1 ? 8 : wireType === 5 ? 4 : wireType === 2 ? this.varint() : undefined
    if (length === undefined) return undefined
    this.#place += length
    return this.#place > this.#bytes.length ? undefined : 0
  }
}
