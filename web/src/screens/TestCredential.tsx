// Whether the provider takes a stored credential, asked as soon as this opens.
import { Button, Group, Modal, Stack } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useEffect } from 'react'
import { postCredentialsProviderNameTest } from '../api/sdk.gen'
import { KeyTested } from '../parts/KeyTested'
import { Coming, Fault } from '../parts/states'

type Asked = { provider: string; name: string; stored?: boolean; close: () => void }

export function TestCredential({ provider, name, stored, close }: Asked) {
  const { mutate, data, error, isPending } = useMutation({
    mutationFn: async () =>
      (await postCredentialsProviderNameTest({ path: { provider, name }, throwOnError: true })).data,
  })
  useEffect(() => mutate(), [mutate])
  return (
    <Modal opened onClose={close} title={stored ? `${name} is stored` : `Test ${name}`}>
      <Stack>
        <p className="soft">
          {stored && 'Calls use it from now on. '}The provider is asked for a listing that costs nothing.
        </p>
        {error ? (
          <Fault problem={error} />
        ) : data && !isPending ? (
          <KeyTested test={data} />
        ) : (
          <Coming rows={2} />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={() => mutate()} loading={isPending}>
            Test again
          </Button>
          <Button onClick={close} data-autofocus>
            Close
          </Button>
        </Group>
      </Stack>
    </Modal>
  )
}
