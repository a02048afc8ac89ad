import { defineConfig } from "vite";

// One script and one style sheet under fixed names, which `imageflow survey export` copies beside the tiles.
export default defineConfig({
  publicDir: false,
  resolve: { alias: { "@": `${import.meta.dirname}/src` } },
  build: {
    outDir: "../imageflow_gateway/static/app/viewer",
    emptyOutDir: true,
    assetsInlineLimit: 100_000,
    lib: { entry: "src/exported/main.ts", formats: ["iife"], name: "exportedMap", fileName: () => "viewer.js", cssFileName: "viewer" },
  },
});
