// Runs `input.calls` as one batch, or as several where `input.chunks` says so: the results and the errors by key.
import { hook, input, say, seen } from './scenario.mjs'

const b24 = hook()
const way = input.chunks ? b24.actions.v2.batchByChunk : b24.actions.v2.batch
try {
  const answer = await way.make({ calls: input.calls, options: { isHaltOnError: input.halt } })
  const errors = Object.fromEntries([...answer.errors].map(([key, error]) => [key, seen(error)]))
  say({ result: answer.getData(), errors })
} catch (error) {
  say({ thrown: seen(error) })
}
