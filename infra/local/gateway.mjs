// The Supabase-compatible API of the laptop stack: @supabase/lite, started by us instead of by its own command.
//   node gateway.mjs provision   creates schema auth on an empty database, then ends
//   node gateway.mjs serve       answers on 127.0.0.1
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { createAdaptorServer } from "@hono/node-server";

const ANY_PAGE = { "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*" };

const mode = process.argv[2];
const setting = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

// lite hands the driver RPC arguments that are JSON text already, and the driver encodes them once more, so a
// function would see a string where the caller sent an object. Strings it hands over as they are. So text of an object
// or array is taken as it is, and any other string is still a value to encode. (A bare number or boolean sent for a
// jsonb argument arrives as a string; our functions take objects and arrays.)
const serialize = (value) => (typeof value === "string" && /^\s*[[{]/.test(value) ? value : JSON.stringify(value));
const json = (oid) => ({ to: oid, from: [oid], serialize, parse: JSON.parse });

const connection = createPostgresConnection({
  url: setting("GATEWAY_DATABASE_URL"),
  postgresOptions: { max: 20, onnotice: () => {}, types: { json: json(114), jsonb: json(3802) } },
});

const app = new App({
  connection,
  api: { schemas: ["public"], max_rows: 1000 },
  // Our own applier records migrations, as the official CLI does.
  db: { migrations: { enabled: false } },
  auth: {
    enabled: true,
    jwt_secret: setting("GATEWAY_JWT_SECRET"),
    publishable_key: setting("GATEWAY_PUBLISHABLE_KEY"),
    secret_key: setting("GATEWAY_SECRET_KEY"),
    // Hosted projects keep sign-ups off; here the API has no other way to make a user. A user without a role may
    // do nothing.
    enable_signup: true,
    email: { enable_signup: true, enable_confirmations: false },
  },
  // Never admin mode: it would turn keyless requests from this machine into service_role.
  options: { server: { admin: false, disableStudio: true } },
});

// At its first request lite would grant every table of every schema that has row-level security to anon,
// authenticated and service_role. Hosted grants nothing, and then a missing grant would be seen there only.
connection.rlsState = "active";

// PostgREST says 413 where Postgres finds an argument too deep (SQLSTATE 54...) and 400 where 1e400 is no time or text;
// lite, and the driver before Postgres is asked, say 500, as if something were broken. An error of code PGRST says itself
// how it is answered.
const answered = (status, code, message) => {
  const said = JSON.stringify({ code, message, details: null, hint: null });
  return Object.assign(new Error(said), { code: "PGRST", detail: JSON.stringify({ status, headers: {} }) });
};
const normalize = connection.normalizeDbError.bind(connection);
connection.normalizeDbError = (thrown) => {
  const error = normalize(thrown);
  const tooDeep = error instanceof RangeError && /call stack/.test(error.message);
  if (error?.code === "ERR_INVALID_ARG_TYPE") return answered(400, "22P02", "invalid input: a number is out of range");
  if (tooDeep) return answered(413, "54001", "stack depth limit exceeded: an argument is nested too deep");
  return /^54/.test(error?.code ?? "") ? answered(413, error.code, error.message) : error;
};

// As hosted: any page may ask, because what it may do is in its token. (lite's answers leave out the header with the
// token, and some of them the permission itself.)
const answer = async (request, env) => {
  if (request.method === "OPTIONS") {
    const wanted = request.headers.get("Access-Control-Request-Headers") ?? "*";
    const methods = "GET, POST, PUT, PATCH, DELETE";
    return new Response(null, { status: 204, headers: { ...ANY_PAGE, "Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": wanted, "Access-Control-Max-Age": "3600" } });
  }
  const reply = await app.fetch(request, { peerAddress: env?.incoming?.socket?.remoteAddress ?? null });
  const headers = new Headers(reply.headers);
  for (const [name, value] of Object.entries(ANY_PAGE)) headers.set(name, value);
  headers.delete("Access-Control-Allow-Credentials");
  return new Response(reply.body, { status: reply.status, statusText: reply.statusText, headers });
};

if (mode === "provision") {
  await app.ensureSystemSchema();
  await connection.close();
} else if (mode === "serve") {
  await app.init();
  await connection.ping();
  const server = createAdaptorServer({ fetch: answer });
  server.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
  });
  server.listen(Number(setting("GATEWAY_PORT")), "127.0.0.1", () => console.log("ready"));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(0));
} else {
  throw new Error("usage: gateway.mjs provision | serve");
}
