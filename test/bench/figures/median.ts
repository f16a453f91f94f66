/** The middle of a list of figures, of an even number the upper one; the list stays as it is. */
export const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1]!;
