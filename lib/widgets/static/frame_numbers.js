// Which picture of a grid is meant, and which number belongs to it. A place gives one index for each axis.

// Position in a row-major list of all combinations; an axis of length 1 is the same for every index.
export const flatIndex = (place, lengths) => lengths.reduce((at, length, axis) => at * length + (length === 1 ? 0 : place[axis]), 0);

// Corner of the picture in a sheet with so many columns.
export const corner = (index, columns, width, height) => [(index % columns) * width, Math.floor(index / columns) * height];

// Numbers that differ between the pictures in view stand under each; the others once, below all.
export const differs = (lengths, shown) => shown.some((axis) => axis >= 0 && lengths[axis] > 1);
