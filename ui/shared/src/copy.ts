/**
 * Puts a text on the clipboard and tells whether it is there. Browsers keep
 * their clipboard from pages that came over plain HTTP from another machine;
 * there the old way, through a selection, still works.
 */
export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false)
  const had = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.readOnly = true
  area.className = 'sr'
  document.body.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  if (had instanceof HTMLElement) had.focus()
  return done
}
