// A course in the space of a word: bars from zero, in the order of time. What it shows stands beside it in figures.

export function Spark({ values }: { values: readonly number[] }) {
  const most = Math.max(...values, 0)
  return (
    <span className="spark-line" aria-hidden>
      {values.map((value, place) => (
        <i
          // biome-ignore lint/suspicious/noArrayIndexKey: a stretch of time has no other name than its place
          key={place}
          style={{ height: most > 0 && value > 0 ? `${Math.max((value / most) * 100, 6)}%` : '1px' }}
        />
      ))}
    </span>
  )
}
