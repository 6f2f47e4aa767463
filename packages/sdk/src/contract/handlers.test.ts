import type { Duplex } from 'node:stream'
import { describe, expect, vi } from 'vitest'
import { compare } from './compare.test.support.js'
import type { DifferenceName } from './differences.test.support.js'
import { Recorder, type Generation, type Stage } from './recorder.test.support.js'
import type { Behaviour } from './server.test.support.js'
import { turns, type Subject } from './subjects.test.support.js'

const generations = ['older', 'newer'] as const satisfies readonly Generation[]
const stagesOfARequest = [
  'start',
  'sent chunk',
  'sent all',
  'first byte',
  'head',
  'data',
  'end',
] as const satisfies readonly Stage[]

/** An interim head, a body in two pieces, and trailers. */
const talkative: Behaviour = (_request, response, body) => {
  void body.then(() => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.writeHead(200, { trailer: 'x-sum', 'x-twice': ['a', 'b'] })
    response.write('one ')
    setImmediate(() => {
      response.addTrailers({ 'x-sum': '7' })
      response.end('two')
    })
  })
}

async function send(
  { dispatcher, trace }: Subject,
  generation: Generation,
  script: ConstructorParameters<typeof Recorder>[1],
  body: string | null = 'content',
): Promise<void> {
  const recorder = new Recorder(trace, script)
  const options = { path: '/a', method: 'PUT', body } as const
  trace.caller.push(`dispatch ${String(dispatcher.dispatch(options, recorder.handler(generation)))}`)
  await recorder.ended
  await turns(5)
}

describe.each(generations)('a handler of the %s generation', (generation) => {
  const server = { answers: talkative }

  compare('hears everything', { server }, (subject) => send(subject, generation, {}))

  compare('pauses, and goes on', { server }, (subject) => send(subject, generation, { pauses: true }))

  for (const stage of stagesOfARequest) {
    const differs: DifferenceName[] =
      generation === 'older' && stage === 'sent chunk' ? ['nothing after the end'] : []
    compare(`throws in ${stage}: its own error, once`, { server, differs }, (subject) =>
      send(subject, generation, { throws: stage }),
    )
    compare(`aborts in ${stage}`, { server, differs }, (subject) =>
      send(subject, generation, { aborts: stage }),
    )
  }

  for (const stage of ['start', 'head', 'data', 'end'] as const) {
    const differs: DifferenceName[] = ['what an error callback throws is uncaught']
    compare(`throws in ${stage}, and in its error`, { server, differs }, async ({ dispatcher, trace }) => {
      const recorder = new Recorder(trace, { throws: stage })
      const handler = recorder.handler(generation)
      const name = generation === 'older' ? 'onError' : 'onResponseError'
      const failing = {
        ...handler,
        [name]: (...args: never[]) => {
          ;(handler[name] as (...args: never[]) => void)(...args)
          throw new Error('thrown in error')
        },
      }
      dispatcher.dispatch({ path: '/a', method: 'PUT', body: 'content' }, failing)
      await recorder.ended
      await turns(5)
    })
  }

  const upgrades = (_: unknown, socket: Duplex): void => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n')
    socket.on('data', () => undefined).on('end', () => socket.end('bye'))
  }
  for (const throws of [undefined, 'upgrade', 'error'] as const) {
    compare(
      `upgrades${throws === undefined ? '' : `, and throws in ${throws}`}`,
      { server: { upgrades } },
      async (subject) => {
        const recorder = new Recorder(subject.trace, { throws })
        const options = { path: '/u', method: 'GET', upgrade: 'test' } as const
        subject.dispatcher.dispatch(options, recorder.handler(generation))
        await recorder.ended
        await vi.waitFor(() => expect(subject.trace.caller.at(-1)).toBe('socket closed'), 5000)
      },
    )
  }
})
