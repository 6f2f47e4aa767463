import type { CharName } from 'cli-table3'

/** Columns need no lines between them; and every terminal and log can show blanks. */
export const NO_BORDERS: Partial<Record<CharName, string>> = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', right: '', 'right-mid': '' },
  ...{ mid: '', 'mid-mid': '', middle: '' },
}
