import { join } from 'node:path'
import { expect, test } from 'vitest'
import { committed, render } from './generate/page.js'
import { pages } from './generate/pages.js'

// What is made of the code must not say what the code said once.
const root = join(import.meta.dirname, '../..')

test.each(pages.map((page) => [page.path, page] as const))(
  '%s is what the code says',
  async (path, page) => {
    expect(await committed(root, path), `${path} is stale: npm run docs renews it`).toBe(
      await render(root, page),
    )
  },
  60_000,
)
