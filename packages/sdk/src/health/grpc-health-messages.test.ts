import { describe, expect, test } from 'vitest'
import { servingStatus, toCheckMessage } from './grpc-health-messages.js'

/** A message behind its prefix. */
function framed(...message: number[]): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(message.length)
  return Buffer.concat([Buffer.from([0]), length, Buffer.from(message)])
}

describe('a HealthCheckRequest', () => {
  test('for the whole server has no field', () => {
    expect(toCheckMessage('').toString('hex')).toBe('0000000000')
  })

  test('names a service', () => {
    expect(toCheckMessage('orders').toString('latin1')).toBe('\0\0\0\0\x08\x0a\x06orders')
  })

  test.each([
    [127, '0a7f'],
    [128, '0a8001'],
    [300, '0aac02'],
    [16_384, '0a808001'],
  ])('with a name of %i bytes has the length as a varint', (length, head) => {
    const message = toCheckMessage('x'.repeat(length))
    const bytes = head.length / 2
    expect(message.readUInt32BE(1)).toBe(bytes + length)
    expect(message.subarray(5, 5 + bytes).toString('hex')).toBe(head)
    expect(message.length).toBe(5 + bytes + length)
  })
})

describe('a HealthCheckResponse', () => {
  test.each([
    ['UNKNOWN', framed()],
    ['UNKNOWN', framed(0x08, 0)],
    ['SERVING', framed(0x08, 1)],
    ['NOT_SERVING', framed(0x08, 2)],
    ['SERVICE_UNKNOWN', framed(0x08, 3)],
    ['UNKNOWN', framed(0x08, 4)],
    // Not the shortest form, which a parser takes all the same.
    ['SERVING', framed(0x08, 0x81, 0x80, 0)],
    // The last one counts.
    ['NOT_SERVING', framed(0x08, 1, 0x08, 2)],
    // -1, in ten bytes.
    ['UNKNOWN', framed(0x08, ...Array.from({ length: 9 }, () => 0xff), 0x01)],
  ])('says %s', (status, body) => {
    expect(servingStatus(body)).toBe(status)
  })

  test.each([
    ['a varint', [0x10, 0x2a]],
    ['8 bytes', [0x11, 8, 8, 8, 8, 8, 8, 8, 8]],
    ['4 bytes', [0x15, 8, 8, 8, 8]],
    ['text', [0x1a, 2, 0x08, 0x02]],
  ])('may have a field of %s that is not known, on either side', (_type, field) => {
    expect(servingStatus(framed(...field, 0x08, 1))).toBe('SERVING')
    expect(servingStatus(framed(0x08, 1, ...field))).toBe('SERVING')
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a prefix that is cut', Buffer.from([0, 0, 0, 0])],
    ['a message that is compressed', Buffer.from([1, 0, 0, 0, 2, 8, 1])],
    ['a message that is cut', framed(8, 1).subarray(0, 6)],
    ['two messages', Buffer.concat([framed(8, 1), framed(8, 1)])],
    ['a tag without a value', framed(0x08)],
    ['a varint that is cut', framed(0x08, 0x81)],
    ['a varint that is too long', framed(0x08, ...Array.from({ length: 10 }, () => 0x80), 0)],
    ['a field that is cut', framed(0x1a, 5, 1)],
    ['a field of a group', framed(0x0b)],
  ])('is none: %s', (_what, body) => {
    expect(servingStatus(body)).toBe('invalid')
  })
})
