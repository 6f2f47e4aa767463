import { expect, test } from 'vitest'
import { errorOf, Rig, serve, until } from '../testing/rig.test.support.js'

test('more than --max-concurrent wait, the least important gets 503, and the rest is served by its importance', async () => {
  const asked: string[] = []
  const release: (() => void)[] = []
  const instance = await serve((request, response) => {
    asked.push(request.url ?? '')
    release.push(() => response.end('done'))
  })
  const rig = await Rig.start([instance], {
    admission: { maxConcurrent: 1, queue: { max: 2 }, priorityHeader: 'priority' },
  })
  const queued = async (): Promise<number | undefined> => (await rig.inspect()).admission?.queued
  const send = (path: string, priority: string): ReturnType<Rig['send']> =>
    rig.send({ path, headers: { host: 'orders', priority } })
  const first = send('/first', '3')
  await until('the instance has it', () => asked.length === 1)
  const least = send('/least', 'u=6')
  await until('it is queued', async () => (await queued()) === 1)
  const usual = send('/usual', 'u=3, i')
  await until('it is queued', async () => (await queued()) === 2)
  const most = send('/most', '0')
  const shed = await least
  expect(shed.status).toBe(503)
  expect(errorOf(shed)).toMatchObject({
    error: 'OVERLOADED',
    service: 'orders',
    message:
      'GET /least to orders was shed: 1 in flight (--max-concurrent), 2 queued (--queue-max), and a more important one has taken its place',
  })
  for (let served = 0; served < 3; served++) {
    await until('the instance has the next', () => release.length > served)
    release[served]?.()
  }
  const answers = await Promise.all([first, usual, most])
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(asked).toEqual(['/first', '/most', '/usual'])
})
