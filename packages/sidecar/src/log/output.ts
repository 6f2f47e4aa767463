/**
 * Lets a reader of standard output or standard error go away: `fairlead-sidecar --help | head`. Node reports it as an
 * error of the stream, which ends a process where nobody listens. What has no reader is not written, and all else goes
 * on. Log lines do not go through these streams: see `LogOutput`.
 */
export function surviveClosedOutput(process: Pick<NodeJS.Process, 'stdout' | 'stderr'>): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}
