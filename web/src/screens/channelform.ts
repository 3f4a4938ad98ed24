// What each kind of channel asks for, by the names that the API knows. Secrets go in and never come out again.
import type { NewChannel } from '../api/types.gen'

/** The same in a terminal. */
export const ADD_CHANNEL = 'tallystick channels add ops slack'

export type ChannelKind = NewChannel['kind']
export type ChannelField = {
  name: string
  label: string
  about: string
  secret?: true
  optional?: true
  choices?: readonly string[]
}

export const CHANNELS: Record<ChannelKind, { title: string; fields: readonly ChannelField[] }> = {
  slack: {
    title: 'Slack',
    fields: [
      {
        name: 'url',
        label: 'Address',
        about: 'Of an incoming webhook: https://hooks.slack.com/…',
        secret: true,
      },
    ],
  },
  teams: {
    title: 'Microsoft Teams',
    fields: [
      {
        name: 'url',
        label: 'Address',
        about: 'Of a Workflows flow: “When a Teams webhook request is received”.',
        secret: true,
      },
    ],
  },
  discord: {
    title: 'Discord',
    fields: [{ name: 'url', label: 'Address', about: 'Of the webhook of a Discord channel.', secret: true }],
  },
  email: {
    title: 'Mail',
    fields: [{ name: 'to', label: 'To', about: 'Addresses, separated by commas.' }],
  },
  webhook: {
    title: 'Webhook',
    fields: [
      {
        name: 'url',
        label: 'Address',
        about: 'Where to POST. In your own network: only where [alerts] networks of the settings allows it.',
        secret: true,
      },
      {
        name: 'secret',
        label: 'Signing secret',
        about: 'whsec_…; drawn, and shown once, where you give none.',
        secret: true,
        optional: true,
      },
    ],
  },
  pagerduty: {
    title: 'PagerDuty',
    fields: [
      {
        name: 'routing_key',
        label: 'Integration key',
        about: 'Of Events API v2, 32 characters.',
        secret: true,
      },
      { name: 'url', label: 'Endpoint', about: 'Only for another region than the US.', optional: true },
    ],
  },
  jira: {
    title: 'Jira',
    fields: [
      { name: 'url', label: 'Site', about: 'https://example.atlassian.net' },
      { name: 'project', label: 'Project', about: 'Its key, as in OPS-12.' },
      { name: 'token', label: 'Token', about: 'An API token, or a personal access token.', secret: true },
      { name: 'account', label: 'Account', about: 'Cloud: the token’s mail address.', optional: true },
      { name: 'issue_type', label: 'Type of ticket', about: 'Task, where you say nothing.', optional: true },
      {
        name: 'deployment',
        label: 'Deployment',
        about: 'Server is Data Center too.',
        choices: ['cloud', 'server'],
      },
    ],
  },
}

/** What a form said, as the API takes it: of each field of the kind what is not empty. */
export function valuesOf(kind: ChannelKind, said: (name: string) => string): Record<string, string> {
  return Object.fromEntries(
    CHANNELS[kind].fields.map((field) => [field.name, said(field.name).trim()]).filter(([, value]) => value),
  )
}

/** `team:search, project:search/web` as the API takes it. */
export function scopesOf(text: string): string[] {
  return text
    .split(',')
    .map((scope) => scope.trim())
    .filter(Boolean)
}
