import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const GATEWAY = "http://127.0.0.1:8080";

// Everything built lies under /static/app, except the page itself, which the gateway serves at the app's addresses.
export default defineConfig({
  base: "/static/app/",
  plugins: [react()],
  resolve: { alias: { "@": `${import.meta.dirname}/src` } },
  build: {
    outDir: "../imageflow_gateway/static/app",
    emptyOutDir: true,
    license: true, // of everything that is built in
    manifest: true, // the test of the map page's weight follows it
    assetsInlineLimit: 0, // the content security policy knows no inline fonts or scripts
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800, // kB before compression; the test of the map page's weight counts what is sent
  },
  server: { proxy: { "/api": GATEWAY, "/tiles": GATEWAY, "/health": GATEWAY } },
});
