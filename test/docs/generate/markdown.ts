/** A table; of each cell, what would end it is escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')
}

/** As code; a text that has a backtick itself needs two around it. */
export function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** With a capital letter, unless it begins with code. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
