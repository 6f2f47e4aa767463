import { folderGraph } from './folder-graph.js'
import { withPart } from './made-parts.js'
import type { Page } from './page.js'

/** docs/architecture.md is written by hand, but for its picture. */
export const architecture: Page = {
  path: 'docs/architecture.md',
  make: (root, committed) => withPart(committed, 'the graph', `\`\`\`mermaid\n${folderGraph(root)}\n\`\`\``),
}
