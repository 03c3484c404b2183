// Command wasm is the built-in adapters as one WebAssembly module, behind the adapter ABI. It is a
// reactor: it runs only while the host calls one of its six functions, and imports nothing but what
// Go's runtime asks of WASI.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o build/adapters.wasm ./probes/wasm
package main

func main() {} // a reactor's is never called
