/**
 * A request as RFC 9112 has it and nothing besides. What readers are known to read in different ways is refused here,
 * also where the RFC would let a recipient be lenient: another one before or behind us may not be.
 */
export interface WholeRequest {
  readonly kind: 'whole'
  readonly method: string
  readonly target: string
  /** Of HTTP/1. */
  readonly minor: number
  readonly fields: readonly Field[]
  readonly body: string
  readonly trailers: readonly Field[]
}

export type Field = readonly [name: string, value: string]

export type RequestRead =
  | WholeRequest
  /** No request, or one whose end readers may find in different places. */
  | { readonly kind: 'refused'; readonly method: string | undefined; readonly why: string }
  /** The bytes end within it. */
  | { readonly kind: 'partial'; readonly method: string | undefined }

const HEAD_END = '\r\n\r\n'
const TOKEN = "[!#$%&'*+.^_`|~\\w-]+"
const REQUEST_LINE = new RegExp(`^(${TOKEN}) +([!-~\\x80-\\xff]+) +HTTP/1\\.([01])$`)
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*((?:[\\t -~\\x80-\\xff]*[!-~\\x80-\\xff])?)[ \\t]*$`)
const QUOTED = '"(?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
const CHUNK_LINE = new RegExp(`^([\\da-fA-F]+)(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`)

/** Reads requests from the bytes of a connection that ends with them, a byte a character; to the first invalid one. */
export function readRequests(bytes: string): readonly RequestRead[] {
  const reads: RequestRead[] = []
  let at = 0
  for (;;) {
    // RFC 9112, 2.2. A recipient that does not skip them rejects them: none reads another request.
    while (bytes[at] === '\r' || bytes[at] === '\n') at++
    if (at === bytes.length) return reads
    const { read, end } = readRequest(bytes, at)
    reads.push(read)
    if (read.kind !== 'whole') return reads
    at = end
  }
}

/** The values of all fields of this name. */
export function valuesOf(fields: readonly Field[], name: string): readonly string[] {
  return fields.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value)
}

/** The members of a list, in lower case. RFC 9110, 5.6.1. */
export function membersOf(fields: readonly Field[], name: string): readonly string[] {
  return valuesOf(fields, name)
    .flatMap((value) => value.split(','))
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, '').toLowerCase())
    .filter((member) => member !== '')
}

function readRequest(bytes: string, start: number): { read: RequestRead; end: number } {
  const headEnd = bytes.indexOf(HEAD_END, start)
  const [requestLine = '', ...lines] = bytes.slice(start, headEnd === -1 ? undefined : headEnd).split('\r\n')
  const named = /^([A-Z]+) /.exec(requestLine)?.[1]
  if (headEnd === -1) return { read: { kind: 'partial', method: named }, end: bytes.length }
  const [, method = '', target = '', minor = ''] = REQUEST_LINE.exec(requestLine) ?? []
  const fields = readFields(lines)
  const refused = (why: string): { read: RequestRead; end: number } => ({
    read: { kind: 'refused', method: named, why },
    end: bytes.length,
  })
  if (method === '') return refused('no request line')
  if (fields === undefined) return refused('no field')
  const body = readBody(fields, Number(minor), bytes, headEnd + HEAD_END.length)
  if (body === 'partial') return { read: { kind: 'partial', method }, end: bytes.length }
  if (typeof body === 'string') return refused(body)
  return {
    read: {
      kind: 'whole',
      method,
      target,
      minor: Number(minor),
      fields,
      body: body.text,
      trailers: body.trailers,
    },
    end: body.end,
  }
}

function readFields(lines: readonly string[]): readonly Field[] | undefined {
  const fields: Field[] = []
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? []
    if (name === undefined) return undefined
    // llhttp takes a space behind it, and no tab.
    if (name.toLowerCase() === 'transfer-encoding' && line.endsWith('\t')) return undefined
    fields.push([name, value])
  }
  return fields
}

interface Body {
  readonly text: string
  readonly end: number
  readonly trailers: readonly Field[]
}

/** RFC 9112, 6.3: a body, or why there is none. */
function readBody(fields: readonly Field[], minor: number, bytes: string, at: number): Body | string {
  const codings = valuesOf(fields, 'transfer-encoding')
  const lengths = valuesOf(fields, 'content-length')
  if (codings.length > 0) {
    if (minor === 0) return 'Transfer-Encoding in HTTP/1.0'
    if (lengths.length > 0) return 'Transfer-Encoding and Content-Length'
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') return 'Transfer-Encoding'
    return readChunks(bytes, at)
  }
  const [length = '0', ...others] = lengths
  if (others.length > 0 || !/^\d+$/.test(length)) return 'Content-Length'
  return take(bytes, at, Number(length))
}

function take(bytes: string, at: number, length: number): Body | string {
  if (length > Number.MAX_SAFE_INTEGER) return 'a length beyond all bounds'
  const end = at + length
  return end > bytes.length ? 'partial' : { text: bytes.slice(at, end), end, trailers: [] }
}

function readChunks(bytes: string, start: number): Body | string {
  let text = ''
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return 'partial'
    const [, digits = ''] = CHUNK_LINE.exec(bytes.slice(at, lineEnd)) ?? []
    if (digits === '') return 'no line of a chunk'
    const size = Number.parseInt(digits, 16)
    if (size === 0) return readTrailers(bytes, lineEnd, text)
    const chunk = take(bytes, lineEnd + 2, size)
    if (typeof chunk === 'string') return chunk
    if (bytes.slice(chunk.end, chunk.end + 2) !== '\r\n')
      return bytes.length < chunk.end + 2 ? 'partial' : 'no end of a chunk'
    text += chunk.text
    at = chunk.end + 2
  }
}

/** From the end of the last chunk's line on. */
function readTrailers(bytes: string, at: number, text: string): Body | string {
  const end = bytes.indexOf(HEAD_END, at)
  if (end === -1) return 'partial'
  const lines = bytes.slice(at, end).split('\r\n').slice(1)
  const trailers = readFields(lines)
  if (trailers === undefined) return 'no trailer'
  // RFC 9110, 6.5.1: no sender may. It would frame the body anew, where a reader merges it into the head.
  const framing = ['transfer-encoding', 'content-length'].flatMap((name) => valuesOf(trailers, name))
  if (framing.length > 0) return 'a trailer that frames'
  return { text, end: end + HEAD_END.length, trailers }
}
