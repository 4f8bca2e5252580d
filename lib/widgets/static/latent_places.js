// Places of latents: which pixels they stand for, what stands there, and what a change makes of it.

// Row and column of the map that a pixel belongs to, and the square of pixels that a place stands for.
export const placeOf = ([y, x], [height, width], [rows, columns]) => [Math.floor((y * rows) / height), Math.floor((x * columns) / width)];

export const squareOf = ([row, column], [height, width], [rows, columns]) =>
  ({ top: (row * height) / rows, left: (column * width) / columns, height: height / rows, width: width / columns });

// The pixel in the middle of a place: where a step on a map of any size ends.
export const middleOf = (place, picture, maps) => {
  const { top, left, height, width } = squareOf(place, picture, maps);
  return [Math.floor(top + height / 2), Math.floor(left + width / 2)];
};

// Stored whole numbers as latents of one picture: channel after channel.
export function latentOf(view, unit, picture, [channels, rows, columns]) {
  const size = channels * rows * columns;
  return Float64Array.from({ length: size }, (_, i) => unit * view.getInt16(2 * (picture * size + i), true));
}

// One channel times a factor, then moved; the others stay.
export function changed(latent, area, channel, factor, shift) {
  const out = Float64Array.from(latent);
  for (let i = channel * area; i < (channel + 1) * area; i++) out[i] = factor * out[i] + shift;
  return out;
}

// Which picture of the sheet of changes: stages one after another, in each picture by picture, channel by channel.
export function changedIndex(stages, stage, pictures, picture, channel, change, changes) {
  const before = stages.slice(0, stage).reduce((sum, { shape }) => sum + pictures * shape[0] * changes, 0);
  return before + (picture * stages[stage].shape[0] + channel) * changes + change;
}
