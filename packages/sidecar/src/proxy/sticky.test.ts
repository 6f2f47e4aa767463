import { expect, test } from 'vitest'
import {
  register,
  Rig,
  serve,
  startAgent,
  type Instance,
  type Received,
} from '../testing/rig.test.support.js'
import { until } from '../testing/rig.test.support.js'

const secret = ['correct-horse-battery-staple-4711']
const byCookie = { cookie: 'sid', secret } as const

/** An instance that answers with its name, and has a cookie of its own. */
const named = (name: string): Promise<Instance> =>
  serve((_, response) => {
    response.setHeader('Set-Cookie', 'theirs=1; Path=/')
    response.end(name)
  })

const setCookies = ({ headers }: Received): readonly string[] => headers['set-cookie'] ?? []

/** The session that a response sets, as the cookie that a browser would send. */
function cookieOf(response: Received): string {
  const set = setCookies(response).find((each) => each.startsWith('sid='))
  if (set === undefined) throw new Error(`no session in ${JSON.stringify(response.headers)}`)
  return set.split(';', 1).join()
}

test('a session of an application stays on its instance until that is gone, and moves on', async () => {
  const names = ['a', 'b', 'c']
  const instances = await Promise.all(names.map(named))
  const rig = await Rig.start(instances, { sticky: byCookie })
  const ask = (cookie: string): Promise<Received> =>
    rig.send({ headers: ['host', 'orders', 'Cookie', cookie] })
  const first = await rig.send()
  expect(setCookies(first)).toEqual([
    'theirs=1; Path=/',
    expect.stringMatching(/^sid=[\w-]{32}; Path=\/; HttpOnly; SameSite=Lax$/),
  ])
  for (let n = 0; n < 6; n++) {
    const again = await ask(`other=1; ${cookieOf(first)}`)
    expect(again.text).toBe(first.text)
    expect(setCookies(again)).toEqual(['theirs=1; Path=/'])
  }
  const gone = instances[names.indexOf(first.text)]
  gone?.kill()
  register(rig.agent, 'orders', ...instances.filter((each) => each !== gone))
  await until('two are left', async () => (await rig.inspect()).endpoints.length === 2)
  const moved = await ask(cookieOf(first))
  expect(moved.text).not.toBe(first.text)
  for (let n = 0; n < 6; n++) {
    const again = await ask(cookieOf(moved))
    expect(again.text).toBe(moved.text)
    expect(setCookies(again)).toEqual(['theirs=1; Path=/'])
  }
  // Neither what is logged nor what can be inspected has the secret in it.
  expect(JSON.stringify(rig.log) + (await rig.admin('/endpoints')).text).not.toContain('correct-horse')
})

test('services have sessions of their own, in a header named after them', async () => {
  const agent = await startAgent()
  register(agent, 'payments', ...(await Promise.all(['p', 'q', 'r'].map(named))))
  const instances = await Promise.all(['a', 'b', 'c'].map(named))
  const rig = await Rig.start(instances, { sticky: { header: 'x-{service}', secret } }, agent)
  const ask = (host: string, ...sessions: string[]): Promise<Received> =>
    rig.send({ headers: ['host', host, ...sessions] })
  const [orders, payments] = [await ask('orders'), await ask('payments')]
  const session = (response: Received, name: string): string => String(response.headers[name])
  expect(session(orders, 'x-orders')).toMatch(/^[\w-]{32}$/)
  expect(orders.headers).not.toHaveProperty('x-payments')
  const both = ['X-Orders', session(orders, 'x-orders'), 'X-Payments', session(payments, 'x-payments')]
  for (let n = 0; n < 4; n++) {
    expect((await ask('orders', ...both)).text).toBe(orders.text)
    expect((await ask('payments', ...both)).text).toBe(payments.text)
  }
  // A session of the other service is not valid here, and a new one is given.
  const mixed = await ask('payments', 'x-payments', session(orders, 'x-orders'))
  expect(session(mixed, 'x-payments')).toMatch(/^[\w-]{32}$/)
})
