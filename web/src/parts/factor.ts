// One's second factor: how it stands, and what its field says wherever a password is asked for.
import { useQuery } from '@tanstack/react-query'
import { getAuthTotp } from '../api/sdk.gen'

export const CODE = 'Six digits from your authenticator, or a recovery code.'

export function useFactor(enabled = true) {
  return useQuery({
    queryKey: ['totp'],
    queryFn: async () => (await getAuthTotp({ throwOnError: true })).data,
    enabled,
  })
}
