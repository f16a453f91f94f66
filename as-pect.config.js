// as-pect: unit specs of firmware files. CARDCAGE_SPECS narrows the run to files separated by commas (test/run.ts sets it).
const MEMORY_PAGES = 2048;

export default {
  entries: process.env.CARDCAGE_SPECS ? process.env.CARDCAGE_SPECS.split(",") : ["test/unit/**/*.spec.ts"],
  include: ["node_modules/@as-pect/assembly/assembly/index.ts"],
  disclude: [],
  async instantiate(_memory, createImports, instantiate, binary) {
    const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: 65536 });
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
