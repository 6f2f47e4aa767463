import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createClient, fixedResolver, type Client, type ClientOptions, type Logger } from './index.js'
import { serve } from './client.test.support.js'

// What a user brings along and gets wrong costs at most what it was asked for: never discovery, nor the process. An
// exception or rejection that is not caught fails the run of vitest by itself.

let origin: string
let client: Client
let lines: { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> }[]

beforeEach(async () => {
  lines = []
  origin = await serve((_, response) => response.end('ok'))
})

afterEach(async () => {
  await client.close()
})

function connect(options: ClientOptions): Client {
  client = createClient('orders', { resolver: fixedResolver([origin]), logger: recorder(), ...options })
  return client
}

function recorder(): Logger {
  const note = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: fields as Record<string, unknown> })
  return { info: note('info'), warn: note('warn'), error: note('error') }
}

async function expectOk(): Promise<void> {
  const { statusCode, body } = await client.request({ path: '/' })
  expect([statusCode, await body.text()]).toEqual([200, 'ok'])
}

describe('a logger', () => {
  const fail = (): never => {
    throw new Error('the stream has been destroyed')
  }

  test.each([
    ['throws', fail],
    ['rejects', (): unknown => Promise.reject(new Error('the stream has been destroyed'))],
  ])('that %s at every level costs its lines, and the process is warned once', async (_, write) => {
    const warned = once(process, 'warning')
    const warn = vi.spyOn(process, 'emitWarning')
    connect({ logger: { debug: write, info: write, warn: write, error: write } })
    client.onDiscovery(fail)
    await expectOk()
    await expectOk()
    expect(await warned).toMatchObject([
      {
        name: 'FairleadWarning',
        message: expect.stringMatching(
          /^the logger .* threw in \w+\(\): the stream has been destroyed; /,
        ) as unknown,
      },
    ])
    expect(warn).toHaveBeenCalledOnce()
    warn.mockRestore()
  })

  test('that throws where nothing is listed leaves the error as it is', async () => {
    connect({ logger: { info: fail, warn: fail, error: fail }, resolver: fixedResolver([]) })
    await expect(client.request({ path: '/' })).rejects.toThrow('knows no instance of that name')
  })

  test('whose level cannot be had is written to at all of them', async () => {
    const debug = vi.fn()
    connect({ logger: Object.assign(recorder(), { debug, isLevelEnabled: fail }) })
    await expectOk()
    expect(debug).toHaveBeenCalled()
  })

  test('keeps its methods on itself, and may put others in place later', async () => {
    class Own implements Logger {
      readonly #said: string[] = []
      debug = (): void => undefined
      info(_: object, message: string): void {
        this.#said.push(message)
      }
      warn = (): void => undefined
      error = (): void => undefined
      get said(): readonly string[] {
        return this.#said
      }
    }
    const logger = new Own()
    connect({ logger })
    const debug = vi.fn()
    logger.debug = debug
    await expectOk()
    expect(logger.said).toContain('instances changed')
    expect(debug).toHaveBeenCalled()
  })
})

describe('exclude', () => {
  const failures: Record<string, () => unknown> = {
    'Cannot read properties of undefined': () => (undefined as unknown as { length: number }).length,
    'it returned true, which is neither text nor undefined': () => true,
    'it returned Promise': async () => Promise.reject(new Error('out of order')),
  }

  test.each(Object.entries(failures))(
    'that gets an instance wrong (%s) leaves it in',
    async (reason, fail) => {
      connect({
        resolver: fixedResolver([origin, { address: '127.0.0.1', port: 1, meta: { canary: 'yes' } }]),
        exclude: ({ meta }) => (meta.canary === undefined ? (fail() as string) : 'a canary'),
      })
      await client.ready()
      await expectOk()
      const { endpoints, excluded } = client.inspect()
      expect(endpoints).toMatchObject([{ origin }])
      expect(excluded).toMatchObject([{ reason: 'a canary' }])
      expect(lines.filter(({ level }) => level === 'error')).toEqual([
        {
          level: 'error',
          message: 'option exclude failed; using the instances that it failed for',
          fields: {
            service: 'orders',
            instances: [expect.stringContaining(origin.slice('http://'.length)) as unknown],
            reason: expect.stringContaining(reason) as unknown,
          },
        },
      ])
    },
  )
})
