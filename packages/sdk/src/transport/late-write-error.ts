import type { Socket } from 'node:net'

type Callback = (error?: Error | null) => void

/**
 * Lets what has been received be read before a write that failed ends the connection. A server that answers early, such
 * as with 413, may close or reset the connection while the rest of the body is on its way to it: then the next write
 * fails, and Node destroys the socket, although the response is in the kernel's buffer, where the reset has left it.
 *
 * So the failure is kept until the reading side comes to its end, which a connection that is gone does by itself. The
 * writing side has nothing to say until then, nor could it. No closure for each write: a stream gives all of them the
 * same callback.
 */
export function readBeforeWriteError(socket: Socket): void {
  const write = socket._write.bind(socket)
  const writev = socket._writev?.bind(socket)
  let written: Callback = () => undefined
  let failure: Error | undefined
  const settled: Callback = (error) => {
    if (error && isGone(error) && !socket.destroyed && !socket.readableEnded) failure = error
    else written(error)
  }
  socket._write = (chunk, encoding, callback) => {
    written = callback
    write(chunk, encoding, settled)
  }
  if (writev !== undefined) {
    socket._writev = (chunks, callback) => {
      written = callback
      writev(chunks, settled)
    }
  }
  // First of all: it was not a regular end, and a parser that takes the end of the connection for that of a body has to
  // know. So behind the listeners that are put first in this turn; nothing is read in it any more.
  queueMicrotask(() => {
    socket.prependListener('end', () => {
      if (failure !== undefined) written(failure)
    })
  })
}

/** The other side does not take any more, which says nothing of what it has sent before. */
function isGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}
