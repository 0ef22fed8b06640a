/**
 * Writes an amount of whole fen as yuan with two decimals and thousands
 * separators: 123450 is "1,234.50". It never divides, so it never rounds.
 */
export function yuan(fen: number): string {
  const digits = String(Math.abs(fen)).padStart(3, '0')
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',')
  return `${fen < 0 ? '-' : ''}${whole}.${digits.slice(-2)}`
}
