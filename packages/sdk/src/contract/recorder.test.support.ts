import type { Duplex } from 'node:stream'
import { util, type Dispatcher } from 'undici'
import { appendTo, errorText, headersText, normal, statusText, type Trace } from './trace.test.support.js'

export type Generation = 'older' | 'newer'

/** Callbacks that can be made to misbehave, by the name that both generations share here. */
export type Stage =
  'start' | 'sent chunk' | 'sent all' | 'first byte' | 'head' | 'data' | 'end' | 'upgrade' | 'error'

export interface Script {
  /** The callback that throws. */
  readonly throws?: Stage | undefined
  /** The callback that aborts. */
  readonly aborts?: Stage | undefined
  /** Pauses at the head, and goes on a turn later. */
  readonly pauses?: boolean | undefined
}

interface Control {
  abort(reason: Error): void
  pause?(): void
  resume?(): void
}

/** A handler of either generation that writes down all it hears. */
export class Recorder {
  readonly ended: Promise<void>
  readonly #trace: Trace
  readonly #script: Script
  #control: Control | undefined
  #end: () => void = () => undefined

  constructor(trace: Trace, script: Script = {}) {
    this.#trace = trace
    this.#script = script
    this.ended = new Promise((resolve) => (this.#end = resolve))
  }

  handler(generation: Generation): Dispatcher.DispatchHandler {
    return generation === 'older' ? this.#older() : this.#newer()
  }

  #note(stage: Stage, text: string, last = false): void {
    if (stage === 'data' || stage === 'sent chunk') appendTo(this.#trace.handler, stage, normal(text))
    else this.#trace.handler.push(`${stage} ${normal(text)}`.trimEnd())
    // A handler that throws in its end still gets an error.
    if (last && this.#script.throws !== stage) this.#end()
    if (this.#script.aborts === stage) this.#control?.abort(new Error(`aborted in ${stage}`))
    if (this.#script.throws === stage) {
      if (stage === 'error') this.#end()
      throw new Error(`thrown in ${stage}`)
    }
  }

  #older(): Dispatcher.DispatchHandler {
    const handler = {
      onConnect: (abort: (reason: Error) => void, ...rest: unknown[]) => {
        this.#control = { abort }
        this.#note('start', rest.map(String).join())
      },
      onResponseStarted: () => this.#note('first byte', ''),
      onHeaders: (statusCode: number, headers: Buffer[], resume: () => void, message: string) => {
        this.#note('head', `${statusText(statusCode, message)} ${headersText(util.parseHeaders(headers))}`)
        if (this.#script.pauses !== true) return true
        setImmediate(resume)
        return false
      },
      onData: (chunk: Buffer) => {
        this.#note('data', chunk.toString())
        return true
      },
      onComplete: (trailers: Buffer[]) => this.#note('end', headersText(util.parseHeaders(trailers)), true),
      onUpgrade: (statusCode: number, headers: Buffer[], socket: Duplex) =>
        this.#upgraded(statusCode, util.parseHeaders(headers), socket),
      onError: (error: Error) => this.#note('error', errorText(error), true),
      onBodySent: (chunk: Buffer, ...rest: unknown[]) =>
        this.#note('sent chunk', [chunk.toString(), ...rest.map(String)].join()),
      onRequestSent: () => this.#note('sent all', ''),
    }
    return handler as unknown as Dispatcher.DispatchHandler
  }

  #newer(): Dispatcher.DispatchHandler {
    const handler = {
      onRequestStart: (controller: Dispatcher.DispatchController, context: unknown) => {
        this.#control = controller
        this.#note('start', context === undefined ? '' : JSON.stringify(context))
      },
      onResponseStarted: () => this.#note('first byte', ''),
      onResponseStart: (
        controller: Dispatcher.DispatchController,
        statusCode: number,
        headers: Record<string, string>,
        message?: string,
      ) => {
        this.#note('head', `${statusText(statusCode, message)} ${headersText(headers)}`)
        if (this.#script.pauses !== true) return
        controller.pause()
        setImmediate(() => controller.resume())
      },
      onResponseData: (_: unknown, chunk: Buffer) => this.#note('data', chunk.toString()),
      onResponseEnd: (_: unknown, trailers: Record<string, string>) =>
        this.#note('end', headersText(trailers), true),
      onRequestUpgrade: (_: unknown, statusCode: number, headers: Record<string, string>, socket: Duplex) =>
        this.#upgraded(statusCode, headers, socket),
      onResponseError: (_: unknown, error: Error) => this.#note('error', errorText(error), true),
      // undici calls these on the older generation only.
      onBodySent: (chunk: Buffer) => this.#note('sent chunk', chunk.toString()),
      onRequestSent: () => this.#note('sent all', ''),
    }
    return handler as unknown as Dispatcher.DispatchHandler
  }

  #upgraded(statusCode: number, headers: Record<string, unknown>, socket: Duplex): void {
    socket.on('error', (error) => this.#trace.caller.push(`socket: ${errorText(error)}`))
    socket.on('close', () => this.#trace.caller.push('socket closed'))
    if (this.#script.throws !== 'upgrade')
      socket.on('data', (data) => appendTo(this.#trace.caller, 'socket', String(data)))
    this.#note('upgrade', `${statusCode} ${headersText(headers)}`, true)
    socket.end('over')
  }
}
