// The step between the lines of a chart: a figure that somebody can count on with.
const EVEN = [1, 2, 2.5, 3, 4, 5, 6, 8, 10]
const LINES = 3

/** The top of an axis from zero that has three lines and whole, round steps. */
export function topOf(most: number): number {
  if (!(most > LINES)) return LINES
  const least = most / LINES
  const power = 10 ** Math.floor(Math.log10(least))
  const step = EVEN.map((even) => even * power).find((one) => one >= least && Number.isInteger(one))
  return LINES * (step ?? Math.ceil(least))
}
