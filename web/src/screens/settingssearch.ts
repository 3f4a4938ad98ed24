// What the addresses of the settings say: the words and the order of a list, and which dialog is open.
import { flagOf, sortOf, wordsOf } from '../search'

export type TokenSearch = { q?: string; sort?: string; new?: true; ended?: true }
export const tokensOf = (search: Record<string, unknown>): TokenSearch => ({
  ...wordsOf(search),
  ...sortOf(search),
  ...flagOf(search, 'new'),
  ...flagOf(search, 'ended'),
})

export type MemberSearch = { q?: string; sort?: string }
export const membersOf = (search: Record<string, unknown>): MemberSearch => ({
  ...wordsOf(search),
  ...sortOf(search),
})

/** `over`: also those that were accepted or taken back, or have expired. */
export type InvitationSearch = { q?: string; sort?: string; new?: true; over?: true }
export const invitationsOf = (search: Record<string, unknown>): InvitationSearch => ({
  ...wordsOf(search),
  ...sortOf(search),
  ...flagOf(search, 'new'),
  ...flagOf(search, 'over'),
})

/** `hold`: the dialog that begins a hold, or that ends one, is open. */
export type RetentionSearch = { sort?: string; hold?: true }
export const retentionOf = (search: Record<string, unknown>): RetentionSearch => ({
  ...sortOf(search),
  ...flagOf(search, 'hold'),
})
