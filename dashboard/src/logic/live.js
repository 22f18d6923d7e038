// A draft that is judged while it is typed: once the typing rests, and never by an answer about what is no longer there. Pure.

export const PAUSE_MS = 400;

/**
 * @typedef {object} Judged
 * @property {string} refused     what the database said last
 * @property {boolean} [judging]  an answer is awaited
 * @property {number} [turn]
 * @property {ReturnType<typeof setTimeout>} [pause]
 */

/** @param {Judged} form @param {() => Promise<string>} judge  the problem, "" for none @param {() => void} told @param {number} [pause] */
export function judgeSoon(form, judge, told, pause = PAUSE_MS) {
  rest(form);
  const { turn } = form;
  form.judging = true;
  form.pause = setTimeout(async () => {
    let refused = "";
    try {
      refused = await judge();
    } catch (error) {
      // That the API is away is said elsewhere, and says nothing of the draft.
      refused = /** @type {any} */ (error).kind === "refused" ? /** @type {Error} */ (error).message : "";
    }
    if (turn !== form.turn) return;
    form.refused = refused;
    form.judging = false;
    told();
  }, pause);
}

/** What was asked is not waited for any more. @param {Judged} form */
export function rest(form) {
  clearTimeout(form.pause);
  form.turn = (form.turn ?? 0) + 1;
  form.judging = false;
}
