// Command rq is RQ's queues for Gravito Pulse, as a WebAssembly adapter. docs/adapters.md says what its exports
// are for, build.sh builds it.
package main

func main() {} // a reactor's is never called
