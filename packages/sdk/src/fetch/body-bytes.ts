/** UTF-8 as the encoding standard decodes it: without a byte order mark, what is malformed replaced. */
export function textOf(chunks: readonly Uint8Array[]): string {
  const [first] = chunks
  if (first === undefined) return ''
  const buffer = chunks.length === 1 ? asBuffer(first) : Buffer.concat(chunks)
  const marked = buffer.length >= 3 && buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf
  return buffer.toString('utf8', marked ? 3 : 0)
}

/** In memory of its own, of its exact length. */
export function bytesOf(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0
  for (const chunk of chunks) length += chunk.byteLength
  const bytes = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
