// Command rq is an adapter for RQ's queues, as a WebAssembly module. docs/adapters.md says what its exports are for;
// build.sh builds it.
package main

func main() {} // a reactor's is never called
