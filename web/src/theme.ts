// Mantine on our tokens: its components take their colours from `tokens.css` and know none of their own.
import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core'

const tone = (text: string, fill = text, hover = fill) =>
  [text, text, text, text, text, fill, fill, hover, hover, hover] as unknown as MantineColorsTuple

export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: 6,
  colors: {
    // Mantine's own greys, as warm as the paper; scrollbars, tracks and shades use them.
    gray: [
      '#f8f6f0',
      '#f1eee5',
      '#e9e5da',
      '#dedacd',
      '#ccc6b6',
      '#a9a291',
      '#857e6e',
      '#5c5648',
      '#3a362c',
      '#1c1a15',
    ],
    dark: [
      '#d6d1c4',
      '#beb8a9',
      '#9c9586',
      '#716b5f',
      '#514d44',
      '#3a3731',
      '#2a2823',
      '#1e1d19',
      '#161512',
      '#100f0d',
    ],
    accent: tone('var(--accent)', 'var(--accent-fill)', 'var(--accent-fill-hover)'),
    alarm: tone('var(--red)', '#a5281b', '#8a1f14'),
  },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '12px', sm: '14px', md: '14px', lg: '16px', xl: '22px' },
  defaultRadius: 'var(--radius)',
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Button: { defaultProps: { size: 'sm' }, styles: { root: { fontWeight: 550 } } },
    Modal: {
      defaultProps: {
        centered: true,
        closeButtonProps: { 'aria-label': 'Close' },
        transitionProps: { duration: 120 },
      },
    },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Dismiss' } } },
    Drawer: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Menu: { defaultProps: { shadow: 'md', transitionProps: { duration: 80 } } },
    Popover: { defaultProps: { shadow: 'md', transitionProps: { duration: 80 } } },
    Tooltip: {
      defaultProps: {
        openDelay: 250,
        transitionProps: { duration: 80 },
        events: { hover: true, focus: true, touch: true },
      },
    },
  },
})

const shared = {
  '--mantine-color-body': 'var(--paper)',
  '--mantine-color-text': 'var(--ink)',
  '--mantine-color-dimmed': 'var(--ink-quiet)',
  '--mantine-color-placeholder': 'var(--ink-quiet)',
  '--mantine-color-default': 'var(--paper-raised)',
  '--mantine-color-default-hover': 'var(--paper-sunk)',
  '--mantine-color-default-color': 'var(--ink)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-color-error': 'var(--red)',
  '--mantine-color-accent-filled': 'var(--accent-fill)',
  '--mantine-color-accent-filled-hover': 'var(--accent-fill-hover)',
  '--mantine-color-accent-light': 'var(--accent-wash)',
  '--mantine-color-accent-light-hover': 'var(--accent-wash)',
  '--mantine-color-accent-light-color': 'var(--accent)',
  '--mantine-color-accent-outline': 'var(--accent)',
  '--mantine-shadow-md': 'var(--shadow)',
}

export const variables: CSSVariablesResolver = () => ({ variables: shared, light: shared, dark: shared })
