// Two people at one setting: what a refused save says of it, and where the two differ. Pure.
import { draftOf, flat, refusal } from "./form.js";

/** Who was quicker, in words; "" if nobody. @param {{refused: string, argument: string}} form */
export function conflictOf({ refused, argument }) {
  const { path, text } = refusal(refused, argument);
  return path === "version" ? text : "";
}

/** The fields in which a draft is not as what is stored. @param {import("./form.js").Field[]} fields @param {import("./form.js").Draft} draft @param {any} stored @returns {string[]} */
export function differing(fields, draft, stored) {
  const theirs = draftOf(fields, stored);
  const told = (/** @type {unknown} */ each) => JSON.stringify(each ?? "");
  return flat(fields, draft).filter(({ kind, path }) => (kind === "group" ? false : kind === "many" ? !same(path) : told(draft[path]) !== told(theirs[path])))
    .filter(({ path }) => !inside(path)).map((each) => each.label);

  /** Each of many is told of as one. @param {string} path */
  function same(path) {
    const of = (/** @type {import("./form.js").Draft} */ given) => told(Object.entries(given).filter(([each]) => each.startsWith(`${path}.`)).sort());
    return of(draft) === of(theirs);
  }
  /** @param {string} path */
  function inside(path) {
    return fields.some((each) => each.kind === "many" && path.startsWith(`${each.path}.`));
  }
}
