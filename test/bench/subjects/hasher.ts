import type { RequestHasher } from '../../../packages/sdk/src/hashing/request-hasher.js'

/** What a client hashes its requests' keys by. It is no part of the package's interface, so it is fetched by its file. */
export async function requestHasher(): Promise<RequestHasher> {
  const file = new URL('hashing/request-hasher.js', import.meta.resolve('@fairlead/sdk'))
  const { RequestHasher } = (await import(
    file.href
  )) as typeof import('../../../packages/sdk/src/hashing/request-hasher.js')
  return new RequestHasher([])
}
