// Builds what `monoctl console` serves: one script and one style sheet, the same bytes from the same source each time.
import { build } from "esbuild";
import { copyFile, mkdir } from "node:fs/promises";

const target = process.argv[2] ?? "../src/monoskope/monoctl/console/static";
await mkdir(target, { recursive: true });
await build({
  entryPoints: [
    { in: "src/app/main.tsx", out: "console" },
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
});
await copyFile("src/index.html", `${target}/index.html`);
await copyFile("src/icon.svg", `${target}/icon.svg`);
