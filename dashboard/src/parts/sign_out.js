// The way out: of this browser, or of all.

/** @param {import("../app.js").App} app @param {"local" | "global"} scope */
export async function signOut(app, scope) {
  try {
    await app.api.signOut(scope);
    sessionStorage.clear(); // drafts
  } catch (error) {
    return app.complain(/** @type {any} */ (error));
  }
  app.leave();
}
