import type { Trace } from './trace.test.support.js'

/** Where Fairlead is not as undici, on purpose. */
export interface Difference {
  readonly reason: string
  /** What undici's trace has to become to be ours. */
  readonly translate: (trace: Trace) => Trace
}

export type DifferenceName =
  | 'a start comes first'
  | 'nothing after the end'
  | 'close may be called again'
  | 'its own word for closed'
  | 'what an error callback throws is uncaught'
  | 'an early answer arrives'

/**
 * The whole of it, but for the two bodies that undici takes and cannot send (`bodies.test.ts`). A case that names one
 * must be changed by it, so that an entry which has ceased to be true fails; a case that names none must be the same on
 * both.
 */
export const differences: Readonly<Record<DifferenceName, Difference>> = {
  'a start comes first': {
    reason:
      'A handler gets its means to abort at once: waiting for discovery can be aborted too (decision 3).',
    translate: (trace) => ({
      ...trace,
      handler: ['start', ...trace.handler.filter((line) => line !== 'start')],
    }),
  },
  'nothing after the end': {
    reason:
      'undici calls onRequestSent although onBodySent has aborted; a handler that has its error hears no more.',
    translate: (trace) => ({
      ...trace,
      handler: trace.handler.slice(0, trace.handler.findIndex(isError) + 1),
    }),
  },
  'what an error callback throws is uncaught': {
    reason:
      'So it is with undici where a socket ends; where it parses, the exception is lost, and at the start of a ' +
      'request it leaves a client that never closes. One rule, and the dispatcher closes.',
    translate: (trace) => ({ ...trace, uncaught: ['Error: thrown in error'], closed: 'closed' }),
  },
  'an early answer arrives': {
    reason:
      'undici drops an answer that has come when the body behind it cannot be written any more. It is read first here, ' +
      'as RFC 9110, 10.1.1 has clients look for a final status while they send.',
    translate: (trace) => ({ ...trace, caller: ['413 too much'] }),
  },
  'close may be called again': {
    reason:
      'undici takes close() after a finished close() for one of a destroyed client; here the end has come once.',
    translate: (trace) => ({ ...trace, closed: trace.closed.replace(/^ClientDestroyedError.*/, 'closed') }),
  },
  'its own word for closed': {
    reason: 'One code, CLIENT_CLOSED, for every use after the end, as the README lists it.',
    translate: (trace) => ({
      ...trace,
      handler: trace.handler.map(ownClosed),
      caller: trace.caller.map(ownClosed),
      closed: ownClosed(trace.closed),
    }),
  },
}

function isError(line: string): boolean {
  return line.startsWith('error ')
}

function ownClosed(line: string): string {
  return line.replace(
    /Client(?:ClosedError UND_ERR_CLOSED: The client is closed|DestroyedError UND_ERR_DESTROYED: The client is destroyed)/,
    'FairleadError CLIENT_CLOSED: the client of orders is closed; make a new one',
  )
}
