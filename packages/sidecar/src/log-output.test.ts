import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@fairlead/sdk'
import { expect, test } from 'vitest'
import { LogOutput } from './log-output.js'

const LINE = `${'x'.repeat(99)}\n`

test('lines are written whole and in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairlead-'))
  const fd = openSync(join(folder, 'log'), 'w')
  const output = new LogOutput(fd, systemClock)
  const lines = Array.from({ length: 1000 }, (_, number) => `line ${number}\n`)
  for (const line of lines) output.write(line)
  expect(await output.flush(15_000)).toBe(true)
  expect(output.writing).toBe(false)
  expect(readFileSync(join(folder, 'log'), 'utf8')).toBe(lines.join(''))
  closeSync(fd)
  rmSync(folder, { recursive: true })
})

test('a reader that does not read holds nothing up, and one that goes away neither', async () => {
  const reader = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  reader.stdin.on('error', () => undefined)
  const { fd } = (reader.stdin as unknown as { _handle: { fd: number } })._handle
  const output = new LogOutput(fd, systemClock)
  // More than the pipe and the lines that may wait hold together.
  for (let bytes = 0; bytes < 4 * 1024 * 1024; bytes += LINE.length) output.write(LINE)
  expect(await output.flush(100)).toBe(false)
  expect(output.writing).toBe(true)
  reader.kill('SIGKILL')
  await once(reader, 'exit')
  expect(await output.flush(15_000)).toBe(true)
})
