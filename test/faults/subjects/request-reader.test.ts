import { expect, test } from 'vitest'
import { RequestReader } from './request-reader.js'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nab\r\n\r'

test('finds the end of each request, however it is cut', () => {
  const text = GET + POST + GET
  for (let cut = 0; cut <= text.length; cut++) {
    const reader = new RequestReader()
    expect(reader.read(text.slice(0, cut)) + reader.read(text.slice(cut))).toBe(3)
  }
})

test('a request is not whole before the last byte of its body', () => {
  const reader = new RequestReader()
  expect(reader.read(POST.slice(0, -1))).toBe(0)
  expect(reader.read(POST.slice(-1))).toBe(1)
})
