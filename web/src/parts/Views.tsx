// Saved views: what the address of a screen says, under a name; mine, or shared with everybody here. The view that is open
// stands in the address too, so that it can be told when something was changed since.
import { Button, Checkbox, Group, Menu, Modal, Stack, TextInput } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconBookmark, IconCheck } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useLocation, useNavigate, useRouter } from '@tanstack/react-router'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { deleteViewsViewId, getViews, postViews, putViewsViewId } from '../api/sdk.gen'
import type { Kept, SavedView } from '../api/types.gen'
import { Fault } from './states'

type Screen = Kept['screen']
const MINE = 'My views'
const SHARED = 'Shared with everybody'

export function Views({ screen }: { screen: Screen }) {
  const queries = useQueryClient()
  const { data } = useQuery({
    queryKey: ['views'],
    queryFn: async () => (await getViews({ throwOnError: true })).data.items,
    staleTime: 60_000,
  })
  const views = data?.filter((view) => view.screen === screen) ?? []
  const { state, id, open } = useAddress()
  useDefault(data && views.find((view) => view.default), open)
  const here = views.find((view) => view.id === id)
  const changed = here !== undefined && here.state !== state
  const [asking, setAsking] = useState<SavedView | 'new' | null>(null)
  const kept = (view: SavedView) => {
    setAsking(null)
    queries.invalidateQueries({ queryKey: ['views'] })
    open(view)
  }
  const update = async (view: SavedView) => {
    try {
      const body = { screen, name: view.name, state, shared: view.shared, default: view.default }
      kept((await putViewsViewId({ path: { view_id: view.id }, body, throwOnError: true })).data)
      notifications.show({ message: `${view.name} is this now.` })
    } catch (problem) {
      notifications.show({ color: 'alarm', title: 'That did not work', message: (problem as Error).message })
    }
  }
  const groups = [
    [MINE, views.filter((view) => view.mine)],
    [SHARED, views.filter((view) => !view.mine)],
  ] as const
  return (
    <>
      <Menu position="bottom-end" width={272}>
        <Menu.Target>
          <Button variant="default" leftSection={<IconBookmark size={16} />}>
            {here ? `${here.name}${changed ? ' (changed)' : ''}` : 'Views'}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {groups.map(
            ([title, some]) =>
              some.length > 0 && (
                <div key={title}>
                  <Menu.Label>{title}</Menu.Label>
                  {some.map((view) => (
                    <Menu.Item
                      key={view.id}
                      onClick={() => open(view)}
                      rightSection={
                        view === here ? (
                          <IconCheck size={14} aria-label="open" />
                        ) : view.default ? (
                          <span className="label">opens first</span>
                        ) : view.mine && view.shared ? (
                          <span className="label">shared</span>
                        ) : null
                      }
                    >
                      {view.name}
                    </Menu.Item>
                  ))}
                </div>
              ),
          )}
          {views.length > 0 && <Menu.Divider />}
          {here?.mine && changed && <Menu.Item onClick={() => update(here)}>Update “{here.name}”</Menu.Item>}
          {here?.mine && <Menu.Item onClick={() => setAsking(here)}>Rename, share, delete…</Menu.Item>}
          <Menu.Item onClick={() => setAsking('new')}>Save this as a view…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asking && (
        <Ask
          screen={screen}
          state={state}
          view={asking === 'new' ? null : asking}
          close={() => setAsking(null)}
          kept={kept}
          gone={() => {
            setAsking(null)
            queries.invalidateQueries({ queryKey: ['views'] })
            open(null)
          }}
        />
      )}
    </>
  )
}

/** What the address says but for the view, which view it says, and the way to another. */
function useAddress() {
  const router = useRouter()
  const navigate = useNavigate()
  const search = useLocation().search as Record<string, unknown>
  const { saved, new: _, ...said } = search
  const state = router.options.stringifySearch(said).replace(/^\?/, '')
  const open = (to: Pick<SavedView, 'id' | 'state'> | null, replace = false) =>
    navigate({
      to: '.',
      search: (to ? { ...router.options.parseSearch(to.state), saved: to.id } : said) as never,
      replace,
    })
  return { state, id: typeof saved === 'string' ? saved : null, open, bare: Object.keys(search).length === 0 }
}

/** A screen that is opened with nothing in its address opens with the view that somebody chose for that. */
function useDefault(
  view: SavedView | undefined,
  open: (view: Pick<SavedView, 'id' | 'state'>, replace: boolean) => void,
) {
  const { bare } = useAddress()
  const began = useRef(bare)
  useEffect(() => {
    if (!began.current || !view) return
    began.current = false
    open(view, true)
  }, [view, open])
}

/** A new one, or another name for one that there is. */
function Ask({
  screen,
  state,
  view,
  close,
  kept,
  gone,
}: {
  screen: Screen
  state: string
  view: SavedView | null
  close: () => void
  kept: (view: SavedView) => void
  gone: () => void
}) {
  const [problem, setProblem] = useState<unknown>(null)
  const queries = useQueryClient()
  const save = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const said = new FormData(event.currentTarget)
    const body = {
      screen,
      name: String(said.get('name')).trim(),
      state: view?.state ?? state,
      shared: said.has('shared'),
      default: said.has('default'),
    }
    try {
      const asked = view
        ? putViewsViewId({ path: { view_id: view.id }, body, throwOnError: true })
        : postViews({ body, throwOnError: true })
      kept((await asked).data)
    } catch (found) {
      setProblem(found)
    }
  }
  const remove = async ({ id, mine: _, owner: __, changed_at: ___, ...body }: SavedView) => {
    try {
      await deleteViewsViewId({ path: { view_id: id }, throwOnError: true })
      const again = async () => {
        await postViews({ body })
        await queries.invalidateQueries({ queryKey: ['views'] })
        notifications.hide(id)
      }
      notifications.show({
        id,
        message: (
          <Group gap="xs">
            {body.name} is deleted.
            <Button size="compact-sm" variant="subtle" onClick={again}>
              Undo
            </Button>
          </Group>
        ),
        autoClose: 10_000,
      })
      gone()
    } catch (found) {
      setProblem(found)
    }
  }
  return (
    <Modal opened onClose={close} title={view ? `The view ${view.name}` : 'Save this as a view'}>
      <form onSubmit={save}>
        <Stack gap="md">
          <TextInput
            name="name"
            label="Name"
            required
            maxLength={80}
            defaultValue={view?.name ?? ''}
            data-autofocus
          />
          <Checkbox
            name="shared"
            label="Shared: everybody here sees it in their list"
            defaultChecked={view?.shared ?? false}
          />
          <Checkbox
            name="default"
            label="Opens first: this screen opens with it, for me"
            defaultChecked={view?.default ?? false}
          />
          {problem !== null && <Fault problem={problem} />}
          <Group justify="space-between" gap="xs">
            {view ? (
              <Button variant="subtle" color="alarm" onClick={() => remove(view)}>
                Delete view
              </Button>
            ) : (
              <span />
            )}
            <Group gap="xs">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit">Save view</Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
