// Pictures that Python has laid on one WebP sheet.
import { corner } from "./frame_numbers.js";
import { h } from "./ui.js";

// `at(index)` is a picture as ImageData; null if the sheet is empty.
export async function openSheet(bytes, columns, [height, width]) {
  if (!bytes?.byteLength) return null;
  const file = new Blob([bytes], { type: "image/webp" });
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const context = h("canvas", { width: bitmap.width, height: bitmap.height }).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { at: (index) => context.getImageData(...corner(index, columns, width, height), width, height) };
}

export function put(canvas, image) { // ImageData onto a canvas of its size
  if (canvas.width !== image.width || canvas.height !== image.height) [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}
