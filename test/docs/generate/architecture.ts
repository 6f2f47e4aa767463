import { folderGraph } from './folder-graph.js'
import type { Page } from './page.js'

const BEGIN = '<!-- Made by `npm run docs` from the imports of the code; do not edit. -->'
const END = '<!-- End of what is made. -->'

/** docs/architecture.md is written by hand, but for its picture. */
export const architecture: Page = {
  path: 'docs/architecture.md',
  make(root, committed) {
    const begin = committed.indexOf(BEGIN)
    const end = committed.indexOf(END)
    if (begin < 0 || end < begin)
      throw new Error(`docs/architecture.md has to have the lines\n${BEGIN}\n${END}`)
    const before = committed.slice(0, begin)
    return `${before}${BEGIN}\n\n\`\`\`mermaid\n${folderGraph(root)}\n\`\`\`\n\n${committed.slice(end)}`
  },
}
