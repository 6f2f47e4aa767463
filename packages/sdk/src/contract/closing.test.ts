import { describe } from 'vitest'
import type { Dispatcher } from 'undici'
import { compare } from './compare.test.support.js'
import type { DifferenceName } from './differences.test.support.js'
import { Recorder } from './recorder.test.support.js'
import type { Behaviour } from './server.test.support.js'
import { turns, type Subject } from './subjects.test.support.js'
import { errorText } from './trace.test.support.js'

/** Answers when it is told to, a head first where the path says so. */
const onCall: Behaviour = (request, response, body) => {
  void body.then(() => {
    if (request.url === '/half') response.write('half ')
    if (request.url !== '/never') setTimeout(() => response.end('whole'), 30)
  })
}

const server = { answers: onCall }

function ask(subject: Subject, options: Partial<Dispatcher.RequestOptions> = {}): Promise<void> {
  const { dispatcher, trace } = subject
  return dispatcher.request({ path: '/', method: 'POST', body: 'x', ...options }).then(
    async ({ statusCode, body }) => {
      const text = await body.text().catch((error: unknown) => errorText(error))
      trace.caller.push(`${statusCode} ${text}`)
    },
    (error: unknown) => void trace.caller.push(errorText(error)),
  )
}

type Ending = (dispatcher: Dispatcher) => Promise<unknown>

const endings: Readonly<Record<string, Ending>> = {
  close: (dispatcher) => dispatcher.close(),
  destroy: (dispatcher) => dispatcher.destroy(),
  'destroy with an error': (dispatcher) => dispatcher.destroy(new Error('over')),
  'close and then destroy': (dispatcher) => {
    const closing = dispatcher.close()
    return dispatcher.destroy(new Error('over')).then(() => closing)
  },
  'destroy and then close': (dispatcher) => {
    const destroying = dispatcher.destroy(new Error('over'))
    return dispatcher.close().then(
      () => destroying,
      () => destroying,
    )
  },
}

/** Ends it, and notes what became of the end. */
async function end({ dispatcher, trace }: Subject, ending: Ending): Promise<void> {
  await ending(dispatcher).then(
    () => trace.caller.push('ended'),
    (error: unknown) => trace.caller.push(`not ended: ${errorText(error)}`),
  )
}

for (const [name, ending] of Object.entries(endings)) {
  const destroys = name.startsWith('destroy')
  // After a finished close() there is one answer, after a destroy() another.
  const after: DifferenceName = destroys ? 'its own word for closed' : 'close may be called again'
  const afterwards: readonly DifferenceName[] =
    name === 'close and then destroy' ? ['close may be called again'] : [after]
  const word = (
    extra: readonly DifferenceName[],
  ): { server: typeof server; differs: readonly DifferenceName[] } => ({
    server,
    differs: extra,
  })

  describe(name, () => {
    compare('at once', word(afterwards), (subject) => end(subject, ending))

    compare(
      'before a request is dispatched',
      word([...(destroys ? [] : afterwards), 'its own word for closed']),
      async (subject) => {
        const ended = end(subject, ending)
        await ask(subject)
        await ended
      },
    )

    const aborted: readonly DifferenceName[] = name === 'destroy' ? ['its own word for closed'] : afterwards
    compare('in the turn of a request', word(aborted), async (subject) => {
      const asked = ask(subject)
      await end(subject, ending)
      await asked
    })

    compare('while a request is answered', word(aborted), async (subject) => {
      const asked = ask(subject)
      await subject.server.begun(1)
      await end(subject, ending)
      await asked
    })

    compare('while an idempotent request is answered', word(aborted), async (subject) => {
      const asked = ask(subject, { method: 'GET', body: null })
      await subject.server.begun(1)
      await end(subject, ending)
      await asked
    })

    compare('within a body', word(aborted), async (subject) => {
      const asked = subject.dispatcher.request({ path: '/half', method: 'GET' })
      const { body } = await asked
      const read = body.text().then(
        (text) => subject.trace.caller.push(`body ${text}`),
        (error: unknown) => subject.trace.caller.push(`body ${errorText(error)}`),
      )
      await end(subject, ending)
      await read
    })

    compare('when all has been answered', word(afterwards), async (subject) => {
      await ask(subject)
      await end(subject, ending)
    })

    // After destroy() a second close() is not a repetition.
    if (name !== 'close and then destroy')
      compare('twice', word(afterwards), async (subject) => {
        const asked = ask(subject, { path: name.includes('destroy') ? '/never' : '/' })
        await subject.server.begun(1)
        await Promise.all([ending(subject.dispatcher), ending(subject.dispatcher)]).then(
          () => subject.trace.caller.push('both'),
          (error: unknown) => subject.trace.caller.push(`not both: ${errorText(error)}`),
        )
        await asked
        subject.trace.caller.sort()
      })

    if (name === 'close')
      compare('with a queue', { ...word(aborted), connections: 1 }, async (subject) => {
        const asked = Array.from({ length: 5 }, (_, n) => ask(subject, { path: `/${n}` }))
        await subject.server.begun(1)
        await end(subject, ending)
        await Promise.all(asked)
        subject.trace.caller.sort()
      })

    compare('from the callback of a request', word(afterwards), async (subject) => {
      const recorder = new Recorder(subject.trace)
      const handler = recorder.handler('older') as unknown as { onComplete: (trailers: Buffer[]) => void }
      const { onComplete } = handler
      const ended = new Promise<void>((resolve) => {
        handler.onComplete = (trailers) => {
          onComplete(trailers)
          void end(subject, ending).then(resolve)
        }
      })
      subject.dispatcher.dispatch(
        { path: '/', method: 'GET' },
        handler as unknown as Dispatcher.DispatchHandler,
      )
      await ended
      await turns(3)
    })
  })
}
