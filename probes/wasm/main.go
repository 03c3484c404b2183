// Command wasm makes one WebAssembly module of the built-in adapters, with the adapter ABI. The module is a reactor:
// it runs only while the host calls one of its six functions, and imports only what Go's runtime needs of WASI.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o build/adapters.wasm ./probes/wasm
package main

func main() {} // a reactor's is never called
