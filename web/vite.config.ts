import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vite";

/**
 * Takes the style element out of wavesurfer's markup: the page's policy allows none. What it says
 * stands in `src/style/waveform.css`, which the page gives to the shadow root instead.
 */
function withoutInlineStyle(): Plugin {
  const element = /<style\$\{.*?<\/style>/gs;
  return {
    name: "wavesurfer-without-inline-style",
    transform(code, id) {
      if (!/wavesurfer\.js\/dist\/wavesurfer\.esm\.js$/.test(id)) return null;
      const found = code.match(element);
      if (found?.length !== 1) this.error(`${found?.length ?? 0} style elements in ${id}, not one`);
      return { code: code.replace(element, ""), map: null };
    },
  };
}

export default defineConfig({
  // Relative addresses: the service may live below a path of another server.
  base: "./",
  plugins: [withoutInlineStyle()],
  build: {
    outDir: fileURLToPath(new URL("../src/emotone/server/page", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    // The policy forbids data: addresses, so nothing is put inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licences.md" },
  },
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8000", ws: true } } },
});
