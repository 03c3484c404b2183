// Light, dark, or as the system has it; remembered in this browser.

import { effect, signal } from '@preact/signals'
import { recall, remember } from './messages.js'

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const STORED = 'pulse.theme'

export const theme = signal<Theme>(THEMES.find((t) => t === recall(STORED)) ?? 'auto')

export function showTheme(): void {
  effect(() => {
    if (theme.value === 'auto') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = theme.value
    remember(STORED, theme.value)
  })
}
