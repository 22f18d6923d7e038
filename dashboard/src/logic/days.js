// A day of a target as a column: from the top down what was down, unknown, under maintenance, and the rest up. Pure.

/**
 * Heights in percent of the column; what happened at all is at least 6 % high, so that a minute is seen.
 * @param {{up_s: any, down_s: any, unknown_s: any, maintenance_s: any}} day
 */
export function column(day) {
  const seconds = { down: Number(day.down_s), unknown: Number(day.unknown_s), maintenance: Number(day.maintenance_s), up: Number(day.up_s) };
  const whole = seconds.down + seconds.unknown + seconds.maintenance + seconds.up;
  if (!whole) return [];
  const names = /** @type {(keyof typeof seconds)[]} */ (["down", "unknown", "maintenance", "up"]);
  const wanted = names.map((name) => ({ name, height: seconds[name] ? Math.max(6, (seconds[name] / whole) * 100) : 0 }));
  const total = wanted.reduce((sum, each) => sum + each.height, 0);
  let top = 0;
  return wanted.filter((each) => each.height).map((each) => {
    const height = (each.height / total) * 100;
    const part = { name: each.name, top, height };
    top += height;
    return part;
  });
}

/** The word for a target's state now. @param {string | null | undefined} state */
export const statusOfState = (state) => (state === "up" ? "ok" : state === "down" ? "critical" : state === "maintenance" ? "paused" : "unknown");
