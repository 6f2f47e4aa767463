import { membersOf, readRequests, valuesOf, type RequestRead, type WholeRequest } from './requests.js'

/** What an application has coming for one request. */
export type Duty =
  /** An instance gets it, and its response comes back. */
  | { readonly kind: 'served'; readonly request: WholeRequest; readonly target: string }
  /** An answer of the sidecar's own; no instance gets it. */
  | { readonly kind: 'refused'; readonly method: string | undefined; readonly why: string }
  /** Never arrived: no instance gets all of it, and an answer is optional. */
  | { readonly kind: 'partial'; readonly method: string | undefined }

/** What the bytes of a connection ask for, up to the request that is its last. */
export function dutiesOf(bytes: string): readonly Duty[] {
  const duties: Duty[] = []
  const reads = readRequests(bytes)
  for (const [index, read] of reads.entries()) {
    const duty = dutyOf(read)
    duties.push(duty)
    if (read.kind !== 'whole') continue
    if (isLast(read) || (duty.kind === 'refused' && duty.why !== NO_INSTANCE && awaitsContinue(read))) break
    if (closesInTrailer(read)) {
      if (index + 1 < reads.length) duties.push({ kind: 'refused', method: undefined, why: 'behind the end' })
      break
    }
  }
  return duties
}

function dutyOf(read: RequestRead): Duty {
  if (read.kind !== 'whole') return read
  const refused = (why: string): Duty => ({ kind: 'refused', method: read.method, why })
  const hosts = valuesOf(read.fields, 'host')
  if (!METHODS.has(read.method)) return refused('method')
  if (hosts.length > 1 || (hosts.length === 0 && read.minor > 0)) return refused('hosts')
  // RFC 9112, 3.2: refused in whatever form the target is.
  if (hosts.some((host) => host.includes(','))) return refused('hosts')
  if (asksForUpgrade(read) && membersOf(read.fields, 'upgrade').join() !== 'h2c') return refused('upgrade')
  if (read.minor > 0 && valuesOf(read.fields, 'expect').some((value) => value !== '100-continue'))
    return refused('expectation')
  const [, inTarget, path = ''] = ABSOLUTE.exec(read.target) ?? []
  if (inTarget === undefined && !read.target.startsWith('/')) return refused('target')
  const host = inTarget ?? hosts[0] ?? ''
  if (!ORDERS.test(host)) return refused(ANOTHER.test(host) ? NO_INSTANCE : 'host')
  return { kind: 'served', request: read, target: inTarget === undefined ? read.target : path }
}

/** Is nothing behind it a request, however it is answered? */
function isLast(request: WholeRequest): boolean {
  const { fields, minor, method } = request
  const options = [...membersOf(fields, 'connection'), ...membersOf(fields, 'proxy-connection')]
  const hosts = valuesOf(fields, 'host')
  return (
    options.includes('close') ||
    (minor === 0 && !options.includes('keep-alive')) ||
    !METHODS.has(method) ||
    hosts.length > 1 ||
    (hosts.length === 0 && minor > 0) ||
    hosts.some((host) => host.includes(',')) ||
    valuesOf(fields, 'upgrade').length > 0
  )
}

/**
 * Refused without its 100 Continue, it may or may not send its content: the server cannot know, and closes.
 * RFC 9110, 10.1.1.
 */
function awaitsContinue({ fields, minor }: WholeRequest): boolean {
  const expectations = valuesOf(fields, 'expect')
  return minor > 0 && expectations.includes('100-continue')
}

/** Not what a trailer may say (RFC 9110, 6.5.1), and llhttp goes by it: what is behind is refused. */
function closesInTrailer({ trailers }: WholeRequest): boolean {
  return ['connection', 'proxy-connection'].some((name) => membersOf(trailers, name).includes('close'))
}

function asksForUpgrade({ fields }: WholeRequest): boolean {
  return valuesOf(fields, 'upgrade').length > 0 && membersOf(fields, 'connection').includes('upgrade')
}

/** Those that are forwarded, of those that are written here. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'POST', 'PUT', 'DELETE'])

const ABSOLUTE = /^http:\/\/(?:[^/?#]*@)?([^/?#]*)(.*)$/is
const ORDERS = /^orders(?:\.service\.consul)?(?::\d*)?$/i
/** An unknown service: found out behind its 100 Continue. */
const ANOTHER = /^(?!localhost(?::|$)|\d+(?::|$))[a-z\d]+(?:-+[a-z\d]+)*(?::\d*)?$/i
const NO_INSTANCE = 'no instance'
