import ts from 'typescript'
import { commentOf, parse } from './declarations.js'
import { exampleOutputs } from './inspect-example.js'
import { withPart } from './made-parts.js'
import { code, table } from './markdown.js'
import type { Page } from './page.js'

const INSPECT = 'packages/sdk/src/observe/inspect.ts'
const EXPLAIN = 'packages/sdk/src/observe/explain.ts'
const PUBLIC = 'packages/sdk/src/index.ts'

/** docs/inspect.md is written by hand, but for what a client says and what its fields mean. */
export const inspectPage: Page = {
  path: 'docs/inspect.md',
  async make(root, committed) {
    const { inspected, explained } = await exampleOutputs()
    const parts = {
      'the example of inspect': json(inspected),
      'the fields of inspect': fields(root, INSPECT),
      'the example of explain': json(explained),
      'the fields of explain': fields(root, EXPLAIN),
    }
    return Object.entries(parts).reduce((page, [name, made]) => withPart(page, name, made), committed)
  },
}

function json(value: object): string {
  return `\`\`\`json\n${JSON.stringify(value, undefined, 2)}\n\`\`\``
}

/** A table for each public interface of a file, the last and widest first. */
function fields(root: string, path: string): string {
  const exported = parse(root, PUBLIC).text
  return parse(root, path)
    .statements.filter((statement) => ts.isInterfaceDeclaration(statement))
    .filter(({ name }) => new RegExp(`\\b${name.text}\\b`).test(exported))
    .reverse()
    .map((declaration) => {
      const rows = declaration.members.map((member) => [
        code(member.name?.getText() ?? ''),
        commentOf(member).join(' '),
      ])
      const { heritageClauses = [] } = declaration
      const base = heritageClauses.flatMap(({ types }) => types.map((type) => code(type.getText())))
      const also = base.length === 0 ? '' : ` And the fields of ${base.join(', ')}.`
      const about = `**${code(declaration.name.text)}**: ${commentOf(declaration).join(' ')}${also}`
      return `${about}\n\n${table(['Field', 'Meaning'], rows)}`
    })
    .join('\n\n')
}
