// A list that is put into order by hand. Pure.

/** The list after a step, and before whom it is then; null if there is no way. @template {{name: string, position?: number}} T @param {T[]} list @param {string} name @param {1 | -1} way @returns {{list: T[], before: string | null, place: number} | null} */
export function moved(list, name, way) {
  const from = list.findIndex((each) => each.name === name);
  const to = from + way;
  if (from === -1 || to < 0 || to >= list.length) return null;
  const after = list.filter((_, n) => n !== from);
  after.splice(to, 0, list[from]);
  // The places stay what they are.
  return { list: after.map((each, n) => ({ ...each, position: list[n].position })), before: after[to + 1]?.name ?? null, place: to + 1 };
}
