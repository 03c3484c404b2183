package config

import "testing"

func TestOnlyNamesOfThisMachineAreLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.8.8.8:80": true, "::1": true, "[::1]": true, "[::1]:80": true,
		"": false, ":8787": false, "0.0.0.0": false, "[::]:80": false, "localhost.example": false, "127.0.0.1.example:80": false, "192.168.1.5": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
