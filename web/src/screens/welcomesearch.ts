// How far an onboarding has come, as its address says it. Secrets are in no address: the key's text and a provider's key are
// kept by the open page alone.
import type { ProviderId, Way } from '../firstcall'

export const STEPS = {
  welcome: 'Welcome',
  key: 'Your key',
  provider: 'Provider',
  prompt: 'First prompt',
  result: 'Result',
} as const
export type Step = keyof typeof STEPS

/** `key`: its id. `way`, `provider`: how the first prompt goes, where it is no sandbox of OpenAI's. `request`: the call it was. */
export type WelcomeSearch = {
  step?: Step
  key?: string
  way?: Exclude<Way, 'sandbox'>
  provider?: ProviderId
  request?: string
}

const PROVIDER_IDS: readonly string[] = ['anthropic', 'google', 'mistral', 'groq']

export function welcomeOf({ step, key, way, provider, request }: Record<string, unknown>): WelcomeSearch {
  return {
    ...(typeof step === 'string' && step !== 'welcome' && Object.hasOwn(STEPS, step)
      ? { step: step as Step }
      : {}),
    ...(typeof key === 'string' && /^[\w-]{1,64}$/.test(key) ? { key } : {}),
    ...(way === 'stored' || way === 'passed' ? { way } : {}),
    ...(typeof provider === 'string' && PROVIDER_IDS.includes(provider)
      ? { provider: provider as ProviderId }
      : {}),
    ...(typeof request === 'string' && /^req_[0-9a-f]{32}$/.test(request) ? { request } : {}),
  }
}
