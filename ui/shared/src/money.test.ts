import { expect, test } from 'vitest'
import { yuan } from './money'

test.each([
  [0, '0.00'], [1, '0.01'], [10, '0.10'], [100, '1.00'], [123450, '1,234.50'], [100000000, '1,000,000.00'],
  [-1, '-0.01'], [-123456789, '-1,234,567.89'],
])('%d fen is %s yuan', (fen, text) => {
  expect(yuan(fen)).toBe(text)
})
