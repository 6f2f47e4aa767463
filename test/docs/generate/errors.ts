import ts from 'typescript'
import { ERROR_CODES } from '#sidecar/error-codes.js'
import { membersOf, parse, textOf, typeAlias } from './declarations.js'
import { sentence, table } from './markdown.js'
import { notice, type Page } from './page.js'

const SDK = 'packages/sdk/src/errors.ts'
const SIDECAR = 'packages/sidecar/src/error-codes.ts'

/** docs/errors.md: every code of the SDK's errors, and every answer of the sidecar's own. */
export const errors: Page = { path: 'docs/errors.md', make: (root) => pageOf(root) }

function pageOf(root: string): string {
  return `# Errors

${notice(SDK, SIDECAR)}

## Of the SDK

Every failure of Fairlead itself is a \`FairleadError\` with a \`code\`. The message says what was asked, what answered and what
to change; \`service\`, \`endpoint\`, \`errors\` (one for each attempt) and \`cause\` say it to a program. A response, whatever its
status, is not an error.

What is not ours keeps its own type:

- what the request's own \`signal\` was aborted with, and what its own body fails with;
- undici's error for a request that can be sent to no endpoint, such as \`InvalidArgumentError\` for a header or a body that is none;
- undici's error for a body that is cut after the head of its response was handed on (\`SocketError\`, \`BodyTimeoutError\`): the reader of the body gets it;
- with \`retry: false\`, undici's error for an attempt that failed, with \`service\` and \`endpoint\` on it.

\`client.fetch\` rejects with a \`TypeError\` whose \`cause\` is the error, and with what its \`signal\` was aborted with as it is.

${codesOf(root).map(section).join('\n\n')}

## Of the sidecar

What the sidecar answers by itself, where there is no response of an instance to pass on, has the header \`x-fairlead-error\`
with a code and a JSON body that says why. An answer without that header is an instance's.

${table(
  ['Status', 'Code', 'Why'],
  Object.entries(ERROR_CODES).map(([code, { status, why }]) => [String(status), `\`${code}\``, why]),
)}
`
}

interface Code {
  readonly name: string
  readonly meaning: string
  /** What to do about it. */
  readonly advice: string
}

function codesOf(root: string): readonly Code[] {
  return membersOf(typeAlias(parse(root, SDK), 'FairleadErrorCode')).map(({ type, comment }) => {
    const name = textOf(ts.isLiteralTypeNode(type) ? type : undefined)
    const [meaning, ...advice] = comment
    if (name === undefined || meaning === undefined || advice.length === 0) {
      throw new Error(
        `${SDK}: ${type.getText()} needs a comment of two paragraphs: what it means, and what to do about it`,
      )
    }
    return { name, meaning, advice: advice.join('\n\n') }
  })
}

function section({ name, meaning, advice }: Code): string {
  return `### \`${name}\`\n\n${statusOf(name)}${meaning}\n\n**What to do:** ${advice}`
}

/** How the sidecar answers then. */
function statusOf(name: string): string {
  // A wrong option is one that a request chose, as the sidecar checks its own at the start.
  const shown = name === 'INVALID_OPTION' ? 'BAD_REQUEST' : name
  const entry = Object.entries(ERROR_CODES).find(([code]) => code === shown)
  if (entry === undefined) throw new Error(`${SIDECAR} has no ${shown}`)
  return sentence(`the sidecar answers ${entry[1].status}${shown === name ? '' : ` \`${shown}\``}.\n\n`)
}
