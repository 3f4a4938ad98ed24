// A chart as a file: its drawing with its colours written out, as vectors or as a picture, and its figures.
import { save } from '../csv'

const PICTURE_SCALE = 2
const COPIED = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'opacity',
  'font-family',
  'font-size',
] as const

/** The drawing as it looks now, with nothing left to look up: colours of the page are variables, a file has none. */
function drawing(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement
  const from = [svg, ...svg.querySelectorAll('*')]
  const to = [copy, ...copy.querySelectorAll('*')]
  from.forEach((element, place) => {
    const looks = getComputedStyle(element)
    for (const name of COPIED) to[place]?.setAttribute(name, looks.getPropertyValue(name))
    to[place]?.removeAttribute('style')
    to[place]?.removeAttribute('class')
  })
  const { width, height } = svg.getBoundingClientRect()
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  copy.setAttribute('width', String(width))
  copy.setAttribute('height', String(height))
  const ground = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
  ground.setAttribute('width', '100%')
  ground.setAttribute('height', '100%')
  ground.setAttribute('fill', getComputedStyle(document.body).backgroundColor)
  copy.prepend(ground)
  return new XMLSerializer().serializeToString(copy)
}

export function saveVectors(svg: SVGSVGElement, name: string): void {
  save(`${name}.svg`, new Blob([drawing(svg)], { type: 'image/svg+xml' }))
}

export async function savePicture(svg: SVGSVGElement, name: string): Promise<void> {
  const { width, height } = svg.getBoundingClientRect()
  const picture = new Image()
  picture.src = `data:image/svg+xml,${encodeURIComponent(drawing(svg))}`
  await picture.decode()
  const canvas = document.createElement('canvas')
  canvas.width = width * PICTURE_SCALE
  canvas.height = height * PICTURE_SCALE
  canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height)
  canvas.toBlob((blob) => blob && save(`${name}.png`, blob), 'image/png')
}
