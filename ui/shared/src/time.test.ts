import { expect, test } from 'vitest'
import { dateTime } from './time'

test('days begin at midnight in Beijing', () => {
  expect(dateTime(Date.UTC(2026, 10, 19, 15, 59, 59))).toBe('2026-11-19 23:59:59')
  expect(dateTime(Date.UTC(2026, 10, 19, 16, 0, 0))).toBe('2026-11-20 00:00:00')
})
