// One act at a time: whether it is under way, and what the server said against it.
import { useState } from 'react'

export function useDoing() {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Error | null>(null)
  /** Whether it was done. */
  const act = async (what: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true)
    setProblem(null)
    try {
      await what()
      return true
    } catch (found) {
      setProblem(found as Error)
      return false
    } finally {
      setBusy(false)
    }
  }
  return { busy, problem, act, fail: setProblem }
}
