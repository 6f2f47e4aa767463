import { afterEach, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from '../index.js'
import { serve } from '../client.test.support.js'

let client: Client
afterEach(() => client.dispatcher.destroy())

/** A client of a server that begins a response, and goes on with it once a chunk after `pauseMs` has passed. */
async function pausing(bodyTimeoutMs: number, pauseMs: number): Promise<Client> {
  const origin = await serve((_, response) => {
    response.write('one')
    setTimeout(() => response.end('two'), pauseMs)
  })
  client = createClient('orders', { resolver: fixedResolver([origin]), connections: { bodyTimeoutMs } })
  return client
}

test('bodyTimeoutMs ends a response that pauses, not before its time', async () => {
  const { body } = await (await pausing(600, 60_000)).request({ path: '/' })
  const begun = performance.now()
  await expect(body.text()).rejects.toMatchObject({ code: 'UND_ERR_BODY_TIMEOUT' })
  // Its clock ticks every half second, and may have ticked just before.
  expect(performance.now() - begun).toBeGreaterThan(90)
})

test('bodyTimeoutMs 0 ends none', async () => {
  const { body } = await (await pausing(0, 1500)).request({ path: '/' })
  expect(await body.text()).toBe('onetwo')
})
