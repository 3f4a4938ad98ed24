import decodeQR from 'qr/decode.js'
import { describe, expect, it } from 'vitest'
import { squaresOf } from './Qr'

const SCALE = 4

/** What a camera would see of it. */
function seen(text: string) {
  const { size, path } = squaresOf(text)
  const side = size * SCALE
  const data = new Uint8ClampedArray(side * side * 4).fill(255)
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g))
    for (let down = 0; down < SCALE; down++)
      for (let across = 0; across < SCALE; across++) {
        const at = ((Number(y) * SCALE + down) * side + Number(x) * SCALE + across) * 4
        data.fill(0, at, at + 3)
      }
  return { width: side, height: side, data }
}

describe('a QR code', () => {
  it('says what it was made of', () => {
    const uri =
      'otpauth://totp/Tallystick%3Aana%40house.example?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Tallystick&digits=6&period=30'
    expect(decodeQR(seen(uri))).toBe(uri)
  })
})
