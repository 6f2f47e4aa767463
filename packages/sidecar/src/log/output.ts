/**
 * Survives a closed reader of standard output or standard error, as in `fairlead-sidecar --help | head`. Node reports it
 * as an error of the stream, which ends the process without a listener. Log lines are not written by these streams: see
 * `LogOutput`.
 */
export function surviveClosedOutput(process: Pick<NodeJS.Process, 'stdout' | 'stderr'>): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}
