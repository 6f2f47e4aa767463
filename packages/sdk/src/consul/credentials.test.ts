import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Credentials, type CredentialOptions } from './credentials.js'

let directory: string
let tokenFile: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-credentials-'))
  tokenFile = join(directory, 'token')
})

afterEach(() => rm(directory, { recursive: true }))

function credentials(options: Partial<CredentialOptions>): Credentials {
  return new Credentials({
    token: undefined,
    tokenFile: undefined,
    bearer: false,
    basicAuth: undefined,
    ...options,
  })
}

describe('headers', () => {
  test.each<[string, Partial<CredentialOptions>, Record<string, string>]>([
    ['no credentials', {}, {}],
    ['a token', { token: 't' }, { 'x-consul-token': 't' }],
    ['a bearer token', { token: 't', bearer: true }, { authorization: 'Bearer t' }],
    ['basic authentication', { basicAuth: 'me:pä:ss' }, { authorization: 'Basic bWU6cMOkOnNz' }],
    ['both', { token: 't', basicAuth: 'a:b' }, { 'x-consul-token': 't', authorization: 'Basic YTpi' }],
  ])('%s', async (_, options, headers) => {
    const mine = credentials(options)
    expect(mine.headers(await mine.token())).toEqual(headers)
  })
})

describe('a token file', () => {
  test('is read once, without the white space around', async () => {
    await writeFile(tokenFile, '\n first \r\n')
    const mine = credentials({ tokenFile })
    expect(await mine.token()).toBe('first')
    await writeFile(tokenFile, 'second')
    expect(await mine.token()).toBe('first')
  })

  test('goes before a token', async () => {
    await writeFile(tokenFile, 'of-file')
    expect(await credentials({ tokenFile, token: 'given' }).token()).toBe('of-file')
  })

  test('is read again after a rejection', async () => {
    await writeFile(tokenFile, 'first')
    const mine = credentials({ tokenFile })
    await mine.token()
    expect(await mine.renewed('first')).toBeUndefined()
    await writeFile(join(directory, 'new'), 'second')
    await rename(join(directory, 'new'), tokenFile)
    expect(await mine.renewed('first')).toBe('second')
    expect(await mine.token()).toBe('second')
    expect(await mine.renewed('second')).toBeUndefined()
  })

  test('that has been read anew for one refused query is renewed for the others as well', async () => {
    await writeFile(tokenFile, 'first')
    const mine = credentials({ tokenFile })
    await mine.token()
    await writeFile(tokenFile, 'second')
    expect(await Promise.all([mine.renewed('first'), mine.renewed('first')])).toEqual(['second', 'second'])
    expect(await mine.renewed('first')).toBe('second')
  })

  test.each([
    ['missing', undefined],
    ['empty', ' \n'],
    ['of two lines', 'a\nb'],
  ])('that is %s while it is replaced leaves what was read', async (_, text) => {
    await writeFile(tokenFile, 'first')
    const mine = credentials({ tokenFile })
    await mine.token()
    if (text === undefined) await rm(tokenFile)
    else await writeFile(tokenFile, text)
    expect(await mine.renewed('first')).toBeUndefined()
    expect(await mine.token()).toBe('first')
  })

  test('that cannot be read is named, and read once it can be', async () => {
    const mine = credentials({ tokenFile, token: 'given' })
    await expect(mine.token()).rejects.toThrow(`consul.tokenFile ${tokenFile} cannot be read: ENOENT`)
    await writeFile(tokenFile, 'late')
    expect(await mine.token()).toBe('late')
  })

  test.each(['', ' \n ', 'a b', 'a\nb', 'tökën', '\u0000'])('with %j is not a token file', async (text) => {
    await writeFile(tokenFile, text)
    await expect(credentials({ tokenFile }).token()).rejects.toThrow(
      `consul.tokenFile ${tokenFile} must hold one token and nothing else`,
    )
  })

  test('where there is none, nothing can be read again', async () => {
    expect(await credentials({ token: 't' }).renewed('t')).toBeUndefined()
  })
})
