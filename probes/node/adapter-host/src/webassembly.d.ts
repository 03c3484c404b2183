/* What of the global WebAssembly this package uses: TypeScript has its types among those of a browser only. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    constructor(module: Module, imports: Record<string, Record<string, unknown>>)
    readonly exports: Record<string, unknown>
  }
  interface Memory {
    readonly buffer: ArrayBuffer
  }
  class CompileError extends Error {}
  function compile(bytes: Uint8Array): Promise<Module>
}
