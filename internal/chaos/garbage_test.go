//go:build linux

package chaos

// garbage is what no Redis answers: another protocol, replies that promise more than memory holds, that end too
// early, that are of a wrong type.
var garbage = []string{
	"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
	"$536870912\r\nhalf a gigabyte is promised",
	"*2147483647\r\n:1\r\n",
	"\x00\x16\x03\x01\x02\x00\xff\xfe",
	":99999999999999999999\r\n",
	"$-7\r\n",
	"*3\r\n*3\r\n*3\r\n*3\r\n",
	"+PONG\r\n+PONG\r\n+PONG\r\n",
	"\r\n\r\n",
	"%2\r\n+a\r\n+b\r\n",
	"-\r\n",
	"$5\r\nabc",
}
