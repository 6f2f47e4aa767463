import fc from 'fast-check'

/** Stands in targets for what tells the requests of one case from those of all others, and is as long. */
export const TAG = '@@@@@@'

/** Bytes of a connection, a byte a character, and where they are cut into segments. */
export interface Written {
  readonly bytes: string
  readonly cuts: readonly number[]
}

/** Most of what is written is well formed, so that what is not stands between what is. */
function mostly(plain: string, ...odd: readonly string[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 24, arbitrary: fc.constant(plain) },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  )
}

const method = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('FOO', 'get', 'CONNECT', 'PRI', 'SOURCE', 'DESCRIBE', 'TRACE', 'PO ST'),
  },
)

const target = fc
  .tuple(
    mostly(`/${TAG}/`, `http://orders/${TAG}/`, `HTTP://ORDERS:80/${TAG}/`, `/${TAG}/a b`, '*'),
    fc.nat(9),
  )
  .map(([place, number]) => (place === '*' ? place : `${place}${number}`))

const version = mostly(
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.2',
  'HTTP/1.1 ',
  'RTSP/1.0\r\nCSeq: 1',
  'ICE/1.0',
  'http/1.1',
  'HTTP/01.1',
  '',
)

const host = mostly(
  'Host: orders',
  'HOST:orders:80',
  'Host: orders.service.consul \t',
  'Host: localhost',
  'Host:',
  'Host: orders\r\nHost: orders',
  'Host: orders\r\nHost: localhost',
  'Host: orders, orders',
  'Host : orders',
  'X-No-Host: orders',
)

const header = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('X-A: 1', 'x-b:2', 'X-C: \tc d\xe9 \t', 'X-D:', 'X_E: 5', 'X.F: "a, b"'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'Connection: close',
      'Connection: keep-alive',
      'Connection: x-a, close',
      'Connection: close, keep-alive',
      'connection:CLOSE',
      'Connection: keep-alive\r\nConnection: close',
      'Proxy-Connection: close',
      'Connection: content-length',
      'Connection: host, transfer-encoding',
      'Connection:',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'Expect: 100-continue',
      'Expect: 200-ok',
      'Upgrade: foo',
      'Connection: upgrade\r\nUpgrade: foo',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c',
      'Connection: upgrade',
      'TE: trailers',
      'Trailer: X-T',
      'Keep-Alive: timeout=1',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'X-Fold: a\r\n b',
      ' X-Led: a',
      'X-Gap : a',
      'X-Nul: a\0b',
      'X-Cr: a\rb',
      'X-Lf: a\nX-Lf2: b',
      'X-Lf: a\nContent-Length: 3',
      'X-Cr: a\rContent-Length: 3',
      ': none',
      'No colon',
      'X\x80: a',
      'X-Vt:\x0ba',
      'X-Del: \x7f',
      'X"Q: a',
    ),
  },
)

/** What a body holds: among it what would be a request, or the end of the body, if it were taken for that. */
const content = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '',
      'hello',
      'a\r\n',
      '0\r\n\r\n',
      '\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      '\0\xff',
    ),
  },
  { weight: 2, arbitrary: fc.nat(9).map((n) => `GET /${TAG}/s${n} HTTP/1.1\r\nHost: orders\r\n\r\n`) },
  {
    weight: 1,
    arbitrary: fc
      .nat(9)
      .map((n) => `0\r\n\r\nPOST /${TAG}/s${n} HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi`),
  },
)

// Longer than what is read before it is sent: 64 KiB.
const long = fc.constantFrom(65_536, 65_537).map((length) => 'x'.repeat(length))

/** Header lines that say where a body ends, and the body. */
type Framed = readonly [headers: readonly string[], body: string]

const lengths = fc
  .tuple(
    fc.oneof({ weight: 60, arbitrary: content }, { weight: 1, arbitrary: long }),
    mostly(
      'N',
      ' N ',
      '\tN',
      '0N',
      'N, N',
      'N\r\nContent-Length: N',
      'N\r\nContent-Length: 0',
      '0\r\nContent-Length: N',
      '+N',
      '-N',
      '0xN',
      'N.0',
      'Ne0',
      'N 0',
      'N;',
      '',
      '\x0bN',
      '"N"',
      'N\n',
      '18446744073709551617',
      '4294967301',
      '999',
      '0',
      '\r\n N',
      'N\r\nX-A: 1\r\ncontent-length : N',
    ),
    mostly(
      'Content-Length:',
      'content-LENGTH: ',
      'Content-Length :',
      'Content-Length\t:',
      '\nContent-Length:',
      ' Content-Length:',
      'Content_Length:',
      'Content-Length\0:',
    ),
  )
  .map(([body, value, name]): Framed => [[`${name}${value.replaceAll('N', String(body.length))}`], body])

const coding = mostly(
  ' chunked',
  'CHUNKED',
  '\tchunked\t',
  ' gzip',
  ' gzip, chunked',
  ' chunked, gzip',
  ' identity',
  '',
  ' \x0bchunked',
  ' xchunked',
  ' chunked;q=1',
  ' chunked, chunked',
  ' chunked\r\nTransfer-Encoding: chunked',
  ' chunked\r\nTransfer-Encoding: identity',
  ' identity\r\nTransfer-Encoding: chunked',
  '\r\n chunked',
  ' ,chunked',
  ' chunked,',
  ' "chunked"',
  ' chunke\xe4',
  ' chunked\r\nContent-Length: 5',
  '\nX: chunked',
  ' chunked\0',
)
const codingName = mostly(
  'Transfer-Encoding:',
  'transfer-encoding:',
  'Transfer-Encoding :',
  ' Transfer-Encoding:',
  'Transfer_Encoding:',
  'X-A: 1\nTransfer-Encoding:',
  'Transfer-Encoding\r\n:',
  'Content-Length: 3\r\nTransfer-Encoding:',
  'X-A: 1\rTransfer-Encoding:',
)

const chunk = fc
  .tuple(
    fc.oneof(
      { weight: 60, arbitrary: content.filter((text) => text !== '') },
      { weight: 1, arbitrary: long },
    ),
    mostly(
      'N',
      '0N',
      '000000000000000000N',
      'N;a',
      'N;a=b',
      'N;a="b;c"',
      'N;a="\\""',
      'N; a=b',
      'N ;a',
      'N ',
      ' N',
      '\tN',
      '+N',
      '-N',
      '0xN',
      'N_',
      'Nh',
      'N;',
      'N;a="\r\n',
      'N;a\nb',
      'N;a\rb',
      'N;\xff',
      'fffffffffffffffN',
      '1000000000000000N',
      '',
    ),
    mostly('\r\n', '\n', '\r', '\r\r\n', ''),
    mostly('\r\n', '\n', '\r', '', 'x\r\n', '\r\n\r\n'),
  )
  .map(
    ([text, size, lineEnd, end]) =>
      `${size.replaceAll('N', text.length.toString(16).toUpperCase())}${lineEnd}${text}${end}`,
  )

const lastChunk = fc
  .tuple(
    mostly('0\r\n', '00\r\n', '0;a=b\r\n', '0\n', '0 \r\n', '-0\r\n', '0x0\r\n', '0\r', ''),
    mostly(
      '',
      'X-T: 1\r\n',
      'X-T: 1\r\nX-U:\r\n',
      'Content-Length: 5\r\n',
      'Transfer-Encoding: gzip\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Host: localhost\r\n',
      'Connection: close\r\n',
      'Connection: keep-alive\r\n',
      'Connection: upgrade\r\nUpgrade: foo\r\n',
      'X-T : 1\r\n',
      ' X-T: 1\r\n',
      'X-T: 1\r\n fold\r\n',
      'X-T: 1\n',
      'X-T: a\rb\r\n',
      'no colon\r\n',
      `GET /${TAG}/t HTTP/1.1\r\n`,
    ),
    mostly('\r\n', '\n', '\r', ''),
  )
  .map((parts) => parts.join(''))

const chunked = fc
  .tuple(codingName, coding, fc.array(chunk, { maxLength: 3 }), lastChunk)
  .map(([name, value, chunks, end]): Framed => [[`${name}${value}`], `${chunks.join('')}${end}`])

const bodiless = content.map((body): Framed => [[], /^[A-Z]/.test(body) ? body : ''])

const lineEnd = fc.oneof(
  { weight: 40, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\r', '\r\r\n', ' \r\n') },
)

const request = fc
  .record({
    method,
    target,
    version,
    host,
    gaps: fc.tuple(mostly(' ', '  ', '\t', ''), mostly(' ', '  ', '\t', ' \t')),
    before: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(header, { maxLength: 3 }) },
    ),
    framed: fc.oneof(
      { weight: 2, arbitrary: bodiless },
      { weight: 3, arbitrary: lengths },
      { weight: 3, arbitrary: chunked },
    ),
    after: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(header, { maxLength: 2 }) },
    ),
    lineEnds: fc.tuple(lineEnd, lineEnd),
    ahead: mostly('', '\r\n', '\r\n\r\n', '\n', ' ', '\0'),
  })
  .map(({ ahead, gaps, lineEnds, framed: [framing, body], ...parts }) => {
    const line = `${parts.method}${gaps[0]}${parts.target}${gaps[1]}${parts.version}`
    const fields = [parts.host, ...parts.before, ...framing, ...parts.after]
    return `${ahead}${line}${lineEnds[0]}${fields.join('\r\n')}\r\n${lineEnds[1]}${body}`
  })

/** One byte that is inserted, removed or put instead of another, anywhere but within a tag. */
interface Slip {
  readonly kind: 'in' | 'out' | 'instead'
  readonly at: number
  readonly byte: string
}

const slip = fc.record<Slip>({
  kind: fc.constantFrom('in', 'out', 'instead'),
  at: fc.nat(0xff_ff_ff),
  byte: fc.constantFrom(
    '\r',
    '\n',
    ' ',
    '\t',
    '\0',
    ':',
    ',',
    ';',
    '=',
    '"',
    '0',
    '5',
    'a',
    '\x0b',
    '\x7f',
    '\x85',
    '\xa0',
    '\xff',
  ),
})

/** What an application may write on one connection, before it says that nothing more follows. */
export const written: fc.Arbitrary<Written> = fc
  .record({
    requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    slips: fc.oneof(
      { weight: 2, arbitrary: fc.constant<Slip[]>([]) },
      { weight: 1, arbitrary: fc.array(slip, { minLength: 1, maxLength: 2 }) },
    ),
    cuts: fc.array(fc.nat(0xff_ff_ff), { maxLength: 8 }),
    bytewise: fc.nat(39).map((n) => n === 0),
  })
  .map(({ requests, slips, cuts, bytewise }) => {
    const bytes = slips.reduce(slipped, requests.join(''))
    if (bytewise && bytes.length < 500) return { bytes, cuts: Array.from(bytes, (_, index) => index) }
    return { bytes, cuts: cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b) }
  })

function slipped(bytes: string, { kind, at, byte }: Slip): string {
  const place = at % bytes.length
  if (bytes.slice(Math.max(0, place - TAG.length), place + TAG.length).includes('@')) return bytes
  return bytes.slice(0, place) + (kind === 'out' ? '' : byte) + bytes.slice(kind === 'in' ? place : place + 1)
}
