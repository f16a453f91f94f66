// Lint rules of both languages: TypeScript on the host, AssemblyScript (TypeScript's syntax, with decorators where
// TypeScript allows none) in firmware. Formatting is prettier's business; types are tsc's and asc's.
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["build/**", "coverage/**", "node_modules/**"] },
  {
    files: [
      "host/**/*.ts",
      "test/**/*.ts",
      "examples/board/*.ts",
      "examples/transform/*.ts",
      "host/**/*.mjs",
      "test/**/*.mjs",
      "*.js",
    ],
    ignores: ["test/unit/**", "test/entries/**"],
    extends: [...tseslint.configs.recommended],
    rules: {
      eqeqeq: "error",
      "no-console": "off",
      "no-constant-condition": "error",
      "no-empty": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "TSEnumDeclaration", message: "No enums: constants and unions of literals." },
        { selector: "TSModuleDeclaration[declare!=true]", message: "No namespaces." },
      ],
      "no-var": "error",
      "prefer-const": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-explicit-any": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    },
  },
  {
    // u32 and the like are global in firmware; == is AssemblyScript's ===.
    files: ["assembly/**/*.ts", "boards/**/*.ts", "examples/board/*/*.ts", "test/unit/**/*.ts", "test/entries/**/*.ts"],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { errorOnUnknownASTType: false, allowInvalidAST: true },
    },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      eqeqeq: "off",
      "no-var": "error",
      "no-empty": "error",
      "@typescript-eslint/no-unused-vars": ["error", { args: "none", varsIgnorePattern: "^_" }],
    },
  },
);
