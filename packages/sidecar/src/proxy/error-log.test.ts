import { expect, test } from 'vitest'
import { Rig, send, until } from '../testing/rig.test.support.js'

const get = (head: string): string => `GET / HTTP/1.1\r\n${head}Connection: close\r\n\r\n`

// The log has the reason of each error that an application gets from us. A sidecar each: repeats of one
// code are counted, not written.
test.each([
  [get('Host: localhost\r\n'), 400, 'BAD_REQUEST', 'its Host is "localhost"'],
  [get('Host: evil.com\r\nfairlead-service: orders\r\n'), 421, 'MISDIRECTED_REQUEST', '"evil.com"'],
  [get('Host: other\r\n'), 503, 'OVERLOADED', '--max-services'],
  [get('Host: orders\r\nfairlead-hops: 10\r\n'), 508, 'LOOP_DETECTED', '10 sidecars'],
  [get('Host: orders\r\n'), 503, 'NO_ENDPOINTS', 'orders'],
  [get(''), 400, 'BAD_REQUEST', 'no Host'],
  ['what is this\r\n\r\n', 400, 'BAD_REQUEST', 'not HTTP/1.1'],
])('%j: %i is answered, and logged', async (request, status, code, message) => {
  const rig = await Rig.start([], { services: ['orders'], maxServices: 1 })
  const connection = rig.raw(request)
  await connection.end()
  expect(connection.statuses).toEqual([status])
  expect(connection.received).toContain(`x-fairlead-error: ${code}`)
  const said = rig.log.filter(({ fields }) => fields['status'] === status)
  expect(said).toEqual([
    {
      level: 'warn',
      fields: expect.objectContaining({ code, status, peer: '127.0.0.1' }) as object,
      message: expect.stringContaining(message) as string,
    },
  ])
})

test('so is a Host that is not ours on the admin port', async () => {
  const rig = await Rig.start([])
  const admin = Number(new URL(rig.sidecar.adminAddress).port)
  expect((await send(admin, { headers: { host: 'evil.com' } })).status).toBe(421)
  await until('it is logged', () => rig.log.some(({ message }) => message.includes('use an address')))
})
