/** A response as an application reads it: by the letter of RFC 9112, and nothing forgiven. */
export interface Answer {
  readonly status: number
  readonly reason: string
  /** Lower case; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What has been received on one connection. */
export interface Reading {
  /** Whole responses, the interim ones (1xx) among them. */
  readonly answers: readonly Answer[]
  /** What follows the last whole response: the beginning of another, or nothing. */
  readonly rest: string
}

const HEAD_END = '\r\n\r\n'
const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) ([\t\x20-\x7e\x80-\xff]*)$/
const FIELD = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/
const CHUNK_SIZE = /^[\da-f]+$/i

/**
 * Reads responses from bytes, a byte a character.
 *
 * @param methods What they answer, in turn: a response to HEAD has no body whatever its head says.
 * @param ended Has the connection come to its end? Only then is a body whole that says nothing of its length.
 * @throws Error on anything that is not a response.
 */
export function readResponses(bytes: string, methods: readonly string[], ended: boolean): Reading {
  const answers: Answer[] = []
  let rest = bytes
  let finals = 0
  while (rest !== '') {
    const headEnd = rest.indexOf(HEAD_END)
    if (headEnd === -1) break
    const [statusLine = '', ...fields] = rest.slice(0, headEnd).split('\r\n')
    const [, digits, reason = ''] = STATUS_LINE.exec(statusLine) ?? []
    if (digits === undefined) throw new Error(`no status line: ${JSON.stringify(rest.slice(0, 200))}`)
    const status = Number(digits)
    const headers = readFields(fields)
    const bodiless = status < 200 || status === 204 || status === 304 || methods[finals] === 'HEAD'
    const after = rest.slice(headEnd + HEAD_END.length)
    const body = bodiless ? { text: '', length: 0 } : readBody(headers, after, ended)
    if (body === undefined) break
    answers.push({ status, reason, headers, body: body.text })
    if (status >= 200) finals++
    rest = after.slice(body.length)
  }
  return { answers, rest }
}

function readFields(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? []
    if (name === undefined) throw new Error(`no header: ${JSON.stringify(line)}`)
    const lower = name.toLowerCase()
    headers[lower] = headers[lower] === undefined ? value : `${headers[lower]}, ${value}`
  }
  return headers
}

interface Body {
  readonly text: string
  /** How much of the bytes it takes up. */
  readonly length: number
}

/** RFC 9112, 6.3; undefined while it is not whole. */
function readBody(
  headers: Readonly<Record<string, string>>,
  bytes: string,
  ended: boolean,
): Body | undefined {
  const coding = headers['transfer-encoding']
  const length = headers['content-length']
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked' || length !== undefined)
      throw new Error(`transfer-encoding ${coding}, content-length ${String(length)}`)
    return readChunks(bytes)
  }
  if (length === undefined) return ended ? { text: bytes, length: bytes.length } : undefined
  if (!/^\d+$/.test(length)) throw new Error(`content-length ${length}`)
  const size = Number(length)
  return bytes.length < size ? undefined : { text: bytes.slice(0, size), length: size }
}

function readChunks(bytes: string): Body | undefined {
  let text = ''
  let at = 0
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const digits = bytes.slice(at, lineEnd)
    if (!CHUNK_SIZE.test(digits)) throw new Error(`no chunk size: ${JSON.stringify(digits)}`)
    const size = parseInt(digits, 16)
    at = lineEnd + 2
    if (size === 0) return readTrailers(bytes, at, text)
    if (bytes.length < at + size + 2) return undefined
    text += bytes.slice(at, at + size)
    at += size + 2
    if (bytes.slice(at - 2, at) !== '\r\n') throw new Error('a chunk does not end where its size says')
  }
}

function readTrailers(bytes: string, at: number, text: string): Body | undefined {
  if (bytes.startsWith('\r\n', at)) return { text, length: at + 2 }
  const end = bytes.indexOf(HEAD_END, at)
  if (end === -1) return undefined
  readFields(bytes.slice(at, end).split('\r\n'))
  return { text, length: end + HEAD_END.length }
}
