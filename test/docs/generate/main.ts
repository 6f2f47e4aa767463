import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { committed, render } from './page.js'
import { pages } from './pages.js'

// npm runs scripts at the root of the repository.
const root = process.cwd()

for (const page of pages) {
  const text = await render(root, page)
  if (text === (await committed(root, page.path))) continue
  await writeFile(join(root, page.path), text)
  console.log(`${page.path}: renewed`)
}
