// Bundles src into dist: `npm ci && npm run build`. Names carry a hash of what is in them, so they may be kept for ever;
// index.html and config.json may not.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import path from "node:path";

const dist = new URL("./dist/", import.meta.url);
await rm(dist, { recursive: true, force: true });
await mkdir(dist);

const { metafile } = await build({
  absWorkingDir: new URL(".", import.meta.url).pathname,
  entryPoints: { main: "src/main.js", styles: "src/styles/all.css" },
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17.4"],
  minify: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});

const outputs = Object.keys(metafile.outputs);
const named = (/** @type {RegExp} */ pattern) => "/" + path.posix.relative("dist", outputs.find((file) => pattern.test(file)) ?? "");
// What the first picture needs, asked for at once instead of one import after the other.
const preloads = metafile.outputs[outputs.find((file) => /\/main-/.test(file)) ?? ""].imports
  .filter((each) => each.kind === "import-statement")
  .map((each) => `<link rel="modulepreload" href="/${path.posix.relative("dist", each.path)}" />`);
const page = (await readFile(new URL("./index.html", import.meta.url), "utf8"))
  .replace("/src/main.js", named(/\/main-[^/]*\.js$/))
  .replace("/src/styles/all.css", named(/\/styles-[^/]*\.css$/))
  .replace("<!-- preloads -->", preloads.join("\n    "));
await writeFile(new URL("index.html", dist), page);
await copyFile(new URL("./config.json", import.meta.url), new URL("config.json", dist));

// Compressed beside the plain ones, for servers that can choose.
for (const file of [...outputs.map((each) => path.posix.relative("dist", each)), "index.html"]) {
  const plain = await readFile(new URL(file, dist));
  await writeFile(new URL(`${file}.br`, dist), await promisify(brotliCompress)(plain));
  await writeFile(new URL(`${file}.gz`, dist), await promisify(gzip)(plain, { level: 9 }));
}
