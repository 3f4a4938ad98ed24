// The console: providers around one router. Screens are loaded when somebody goes there.
import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import '@mantine/spotlight/styles.css'
import './tokens.css'
import './console.css'
import './ledger.css'
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Problem } from './problem'
import { consoleRouter } from './router'
import { connect, follow, forget } from './session'
import { remembered } from './taste'
import { theme, variables } from './theme'

const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''

// What locks scrolling behind a dialog writes a style of its own and looks for its nonce here.
Object.assign(window, { __webpack_nonce__: nonce })

connect()
remembered()

const queries: QueryClient = new QueryClient({
  // A session that ended elsewhere, or by itself: sign in again, and go on where one was.
  queryCache: new QueryCache({
    onError: async (error) => {
      const here = router.state.location
      if (!(error instanceof Problem) || error.status !== 401 || here.pathname === '/login') return
      await router.navigate({ to: '/login', search: { next: here.href } })
      forget(queries)
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) =>
        count < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
    },
  },
})
const router = consoleRouter(queries)
follow(queries)

createRoot(document.getElementById('console') as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={variables}
        defaultColorScheme="auto"
        getStyleNonce={() => nonce}
      >
        <Notifications position="bottom-right" autoClose={4000} />
        <RouterProvider router={router} />
      </MantineProvider>
    </QueryClientProvider>
  </StrictMode>,
)
