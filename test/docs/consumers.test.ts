import { existsSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

// The public types, as programs in the usual settings compile against what is published: the built declarations.
const root = join(import.meta.dirname, '../..')
const built = join(root, 'packages/sdk/dist/index.d.ts')

const PROGRAM = `
import { createClient, fixedResolver, FairleadError, type Client, type ClientOptions } from '@fairlead/sdk'
import { balancedSessions } from '@fairlead/sdk/connect-node'
import { balancedBy } from '@fairlead/sdk/grpc'
import { FakeResolver } from '@fairlead/sdk/testing'

const options: ClientOptions = { resolver: fixedResolver(['http://127.0.0.1:8080']), timeoutMs: 1000 }
const orders: Client = createClient('orders', options)
export async function program(): Promise<unknown[]> {
  const { statusCode, headers, body } = await orders.request({ path: '/v1/orders/42' })
  const response: Response = await orders.fetch('/v1/orders/42')
  const same: Response = await fetch('http://orders/v1/orders/42', { dispatcher: orders.dispatcher })
  const unbound: typeof fetch = orders.fetch
  const { fetch: own } = orders
  await own(new Request('http://orders/'), { timeoutMs: 50, idempotent: true, hashKey: 'x', method: 'PUT', body: 'x' })
  const composed = orders.dispatcher.compose((dispatch) => (given, handler) => dispatch(given, handler))
  await own('/', { dispatcher: composed })
  const lease = await orders.acquire({ key: 'x', exclude: ['10.0.0.7:8080'] })
  lease.release('success')
  const sessions = balancedSessions(orders, { key: (sent) => sent['x-user']?.toString() })
  const channel: Record<string, unknown> = balancedBy(orders, { 'grpc.keepalive_time_ms': 10_000 })
  const code: string = new FairleadError('NO_ENDPOINTS', 'none').code
  return [statusCode + 1, headers['x'], await body.json(), response.url, same.url, unbound, composed, code, lease.port + 1, sessions, channel, new FakeResolver()]
}
createClient('orders', { connections: { tls: { ca: 'PEM', servername: 'orders', rejectUnauthorized: true, keepAlive: true } } })
// @ts-expect-error -- Node calls it ca.
createClient('orders', { connections: { tls: { caFile: 'ca.pem' } } })
// @ts-expect-error -- It takes what fetch takes, and no number.
void orders.fetch(42)
// @ts-expect-error -- A time is a number.
void orders.fetch('/', { timeoutMs: '50' })
// @ts-expect-error -- There is no such option.
createClient('orders', { timeout: 1000 })
// @ts-expect-error -- The sidecar's entry point is not part of the public API.
void orders.forward
`

/** CommonJS before require(esm): by import() only. */
const COMMON_JS = `
export async function program(): Promise<number> {
  const { createClient } = await import('@fairlead/sdk')
  const orders = createClient('orders', { timeoutMs: 1000 })
  const response = await fetch('http://orders/', { dispatcher: orders.dispatcher })
  return response.status + (await orders.fetch('/')).status
}
`

const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts
const NODE = { lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'] }

test.each<[string, string, string, ts.CompilerOptions]>([
  ['NodeNext', 'a.mts', PROGRAM, { module: ModuleKind.NodeNext, ...NODE }],
  ['NodeNext, default lib', 'b.mts', PROGRAM, { module: ModuleKind.NodeNext }],
  [
    'a bundler, default lib',
    'c.ts',
    PROGRAM,
    { module: ModuleKind.ESNext, moduleResolution: ModuleResolutionKind.Bundler },
  ],
  ['CommonJS of NodeNext, by require(esm)', 'd.cts', PROGRAM, { module: ModuleKind.NodeNext, ...NODE }],
  ['CommonJS of node16', 'e.cts', COMMON_JS, { module: ModuleKind.Node16, ...NODE }],
  ['CommonJS of node16, default lib', 'f.cts', COMMON_JS, { module: ModuleKind.Node16 }],
])(
  'compiles with %s',
  (_, name, code, settings) => {
    expect(existsSync(built), 'npm run build makes what is tested here').toBe(true)
    const file = join(root, 'test/docs', name)
    const options: ts.CompilerOptions = {
      target: ScriptTarget.ES2022,
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      noEmit: true,
      ...settings,
    }
    const host = ts.createCompilerHost(options)
    const fileExists = host.fileExists.bind(host)
    const readFile = host.readFile.bind(host)
    const getSourceFile = host.getSourceFile.bind(host)
    host.fileExists = (path) => path === file || fileExists(path)
    host.readFile = (path) => (path === file ? code : readFile(path))
    host.getSourceFile = (path, version, ...rest) =>
      path === file ? ts.createSourceFile(path, code, version) : getSourceFile(path, version, ...rest)
    const complaints = ts
      .getPreEmitDiagnostics(ts.createProgram([file], options, host))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
    expect(complaints).toEqual([])
  },
  120_000,
)
