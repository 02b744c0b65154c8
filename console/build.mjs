// Builds what `monoctl console` serves: one script, one style sheet, and the licences of what is in them; the same bytes
// from the same source each time.
import { build } from "esbuild";
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";

const target = process.argv[2] ?? "../src/monoskope/monoctl/console/static";
await mkdir(target, { recursive: true });
const { metafile } = await build({
  entryPoints: [
    { in: "src/main.tsx", out: "console" },
    { in: "style/console.css", out: "console" },
  ],
  outdir: target,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
  metafile: true,
});
await copyFile("src/index.html", `${target}/index.html`);
await copyFile("src/icon.svg", `${target}/icon.svg`);
await writeFile(`${target}/licences.txt`, await licences(Object.keys(metafile.inputs)));

// The text of each package that is bundled. One without a licence ends the build.
async function licences(inputs) {
  const names = new Set(inputs.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []));
  const parts = ["The page of monoctl console is part of Monoskope (Apache License 2.0). It contains:\n"];
  for (const name of [...names].sort()) {
    const folder = `node_modules/${name}`;
    const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const file = (await readdir(folder)).find((one) => /^licen[cs]e(\.|$)/i.test(one));
    if (file === undefined || license === undefined) throw new Error(`${name} has no licence: it cannot be bundled.`);
    const text = (await readFile(`${folder}/${file}`, "utf8")).replaceAll("\r\n", "\n").trim();
    parts.push(`${name} ${version} (${license})\n\n${text}\n`);
  }
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}
