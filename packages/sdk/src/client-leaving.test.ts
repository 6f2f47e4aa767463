import { expect, onTestFinished, test, vi } from 'vitest'
import { serve } from './client.test.support.js'
import { createClient, fixedResolver, type Client } from './index.js'

/** Two servers, one of which closes each connection behind its answer once it drains, and how many requests it had. */
async function rig(
  drainsFromTheStart: boolean,
): Promise<{ client: Client; drain: () => void; had: () => number }> {
  let drains = drainsFromTheStart
  let had = 0
  const leaving = await serve((_request, response) => {
    had++
    if (drains) response.setHeader('connection', 'close')
    response.end('here')
  })
  const staying = await serve((_request, response) => response.end('here'))
  const client = createClient('orders', {
    resolver: fixedResolver([leaving, staying]),
    balancer: 'round_robin',
    breaker: false,
  })
  return { client, drain: () => (drains = true), had: () => had }
}

async function ask(client: Client, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    const { body } = await client.request({ path: '/' })
    expect(await body.text()).toBe('here')
  }
}

const reasons = (client: Client): (string | undefined)[] =>
  client.inspect().endpoints.map(({ availability }) => availability.reason)

test('a server that begins to close its connections behind its answers is left alone for a moment', async () => {
  const { client, drain, had } = await rig(false)
  onTestFinished(() => client.close())
  await ask(client, 40)
  drain()
  await ask(client, 10)
  expect(reasons(client)).toContain('pushback')
  const before = had()
  await ask(client, 10)
  expect(had()).toBe(before)
  await vi.waitFor(() => expect(reasons(client)).toEqual([undefined, undefined]), { timeout: 15_000 })
})

test('a server that always closes them is not', async () => {
  const { client, had } = await rig(true)
  onTestFinished(() => client.close())
  await ask(client, 60)
  expect(reasons(client)).toEqual([undefined, undefined])
  expect(had()).toBe(30)
})
