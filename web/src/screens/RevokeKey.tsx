// The end of a key, or of several at once.
import { notifications } from '@mantine/notifications'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { deleteKeysKeyId } from '../api/sdk.gen'
import type { Key } from '../api/types.gen'
import { Confirm } from '../parts/Confirm'
import { nameOf } from '../parts/keynames'
import { Fault } from '../parts/states'

/** What is typed to confirm is the name of the one, or how many they are. */
export function Revoke({ keys, close }: { keys: readonly Key[]; close: () => void }) {
  const queries = useQueryClient()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const [only] = keys
  const one = keys.length === 1 && only
  const name = one ? nameOf(one) : `revoke ${keys.length}`
  const go = async () => {
    setBusy(true)
    try {
      for (const key of keys) await deleteKeysKeyId({ path: { key_id: key.id }, throwOnError: true })
      notifications.show({
        message: `${one ? `${name} is` : `${keys.length} keys are`} revoked. Calls with ${one ? 'it' : 'them'} are refused from now on.`,
      })
      close()
    } catch (found) {
      setProblem(found)
      setBusy(false)
    }
    await queries.invalidateQueries({ queryKey: ['keys'] })
  }
  return (
    <Confirm
      title={one ? 'Revoke this key' : `Revoke ${keys.length} keys`}
      name={name}
      verb={one ? 'Revoke key' : `Revoke ${keys.length} keys`}
      busy={busy}
      close={close}
      go={go}
      fault={problem !== null && <Fault problem={problem} />}
    >
      {one ? (
        <>
          Every call with <code>{one.preview}</code> is refused within a second, everywhere, and for good. To
          replace it without a gap, rotate it instead.
        </>
      ) : (
        <>
          Every call with {keys.map(nameOf).join(', ')} is refused within a second, everywhere, and for good.
        </>
      )}
    </Confirm>
  )
}
