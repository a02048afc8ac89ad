import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** `zone` may import from itself and from what stands below it. */
const zone = (files, forbidden, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [{ regex: forbidden, message }] }] },
});

const FEATURES = ["map", "history", "surveys", "trust"];

export default tseslint.config(
  { ignores: ["node_modules", "src/shared/api/schema.d.ts"] },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ["src/**/*.{ts,tsx}"] })),
  {
    files: ["src/**/*.{ts,tsx}"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "react-hooks": hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  zone(["src/shared/**"], "^@/(features|app)/|^(\\.\\./)+(features|app)/", "shared knows neither features nor the app"),
  zone(["src/exported/**"], "^@/(features|app)/", "an exported map is made from what all share"),
  ...FEATURES.map((name) =>
    zone(
      [`src/features/${name}/**`],
      `^@/app/|^@/features/(?!${name}/)|^\\.\\./`,
      "a feature imports from shared and itself; the app puts features together",
    ),
  ),
);
