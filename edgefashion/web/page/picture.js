// A picture as the data set would have it: grey, small, bright garment on black.
//
// Does what edgefashion/data/picture.py does, to the last bit for pictures that a browser decodes as Pillow does.

const HALF = 127.5;
const MAX_PIXELS = 64_000_000;
const LOBES = 3; // of the Lanczos filter
const ONE = 2 ** 22; // weights are whole numbers of this part, as Pillow has them

/** uint8[size × size] of a picture file, or of anything else that `createImageBitmap` takes. */
export async function readPicture(source, size) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(source, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch {
    throw new Error("This is not a picture that the browser can read.");
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new Error("This picture has more than 64 million pixels.");
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return fit(context.getImageData(0, 0, width, height), size);
}

/** uint8[size × size] of `image`, an ImageData of any size. */
export function fit(image, size) {
  const { width, height } = image;
  if (Math.min(width, height) * size < Math.max(width, height)) throw new Error("This picture is too narrow.");
  const grey = toGrey(image.data);
  if (borderLevel(grey, width, height) > HALF) grey.forEach((level, index) => (grey[index] = 255 - level));
  const inner = {
    width: width < height ? roundHalfToEven((width / height) * size) : size,
    height: height < width ? roundHalfToEven((height / width) * size) : size,
  };
  const fitted = scaled(grey, { width, height }, inner);
  const left = roundHalfToEven((size - inner.width) / 2);
  const top = roundHalfToEven((size - inner.height) / 2);
  const result = new Uint8Array(size * size);
  for (let row = 0; row < inner.height; row++) {
    const line = fitted.subarray(row * inner.width, (row + 1) * inner.width);
    result.set(line, (top + row) * size + left);
  }
  return result;
}

/** What is transparent becomes black behind bright garments and white behind dark ones. */
function toGrey(rgba) {
  const grey = new Uint8Array(rgba.length / 4);
  let light = 0;
  let cover = 0;
  for (let index = 0; index < grey.length; index++) {
    const [red, green, blue, alpha] = rgba.subarray(4 * index, 4 * index + 4);
    grey[index] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >>> 16; // ITU-R 601-2, as Pillow rounds it
    light += (grey[index] * alpha) / 255;
    cover += alpha / 255;
  }
  if (cover === grey.length) return grey;
  const background = light > HALF * cover ? 0 : 255;
  return grey.map((level, index) => {
    const alpha = rgba[4 * index + 3] / 255;
    return roundHalfToEven(level * alpha + background * (1 - alpha));
  });
}

function borderLevel(grey, width, height) {
  const border = [...grey.subarray(0, width), ...grey.subarray((height - 1) * width)];
  for (let row = 0; row < height; row++) border.push(grey[row * width], grey[(row + 1) * width - 1]);
  border.sort((one, other) => one - other);
  const middle = border.length / 2; // of an even number
  return (border[middle - 1] + border[middle]) / 2;
}

/** `pixels` of size `from` resampled to size `to`: one way, then the other, and rounded in between, as Pillow does. */
function scaled(pixels, from, to) {
  const across = (pixels, height) => resized(pixels, from.width, height, to.width);
  const down = (pixels, width) => {
    const columns = transposed(pixels, width);
    return transposed(resized(columns, from.height, width, to.height), to.height);
  };
  const isTall = from.height > 2 * from.width && to.height < from.height;
  return isTall ? across(down(pixels, from.width), to.height) : down(across(pixels, from.height), to.width);
}

/** `pixels` uint8[height × from], each row of them resampled to `to` by a Lanczos filter. */
function resized(pixels, from, height, to) {
  if (from === to) return pixels;
  const result = new Uint8Array(height * to);
  const scale = from / to;
  const stretch = Math.max(1, scale);
  for (let column = 0; column < to; column++) {
    const center = (column + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - LOBES * stretch + 0.5));
    const end = Math.min(from, Math.trunc(center + LOBES * stretch + 0.5));
    const weights = [];
    for (let place = first; place < end; place++) weights.push(lanczos((place - center + 0.5) * (1 / stretch)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const whole = weights.map((weight) => Math.trunc((weight / total) * ONE + Math.sign(weight) / 2));
    for (let row = 0; row < height; row++) {
      let sum = ONE / 2;
      for (let place = 0; place < whole.length; place++) sum += pixels[row * from + first + place] * whole[place];
      result[row * to + column] = Math.min(255, Math.max(0, Math.floor(sum / ONE)));
    }
  }
  return result;
}

function lanczos(distance) {
  if (distance < -LOBES || distance >= LOBES) return 0;
  return sinc(distance) * sinc(distance / LOBES);
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function transposed(pixels, width) {
  const height = pixels.length / width;
  const result = new Uint8Array(pixels.length);
  for (let index = 0; index < pixels.length; index++) {
    result[(index % width) * height + Math.floor(index / width)] = pixels[index];
  }
  return result;
}

function roundHalfToEven(number) {
  const rounded = Math.round(number);
  return Math.abs(number % 1) === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
