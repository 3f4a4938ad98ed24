// A QR code, drawn here: what it says goes nowhere to become a picture. Dark on light in either theme, for that is how
// authenticators read it.
import encodeQR from 'qr'

const QUIET = 4

/** Its squares as one path, in a field so many squares wide. */
export function squaresOf(text: string): { size: number; path: string } {
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET })
  const path = rows
    .flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : [])))
    .join('')
  return { size: rows.length, path }
}

export function Qr({ text, label }: { text: string; label: string }) {
  const { size, path } = squaresOf(text)
  return (
    <svg
      className="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <rect width={size} height={size} />
      <path d={path} />
    </svg>
  )
}
