package redisconn

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

const takes = "it takes redis://host:6379, rediss:// for TLS, unix:///path, several comma-separated hosts for Redis Cluster, or redis+sentinel:// or rediss+sentinel://host:26379/master"

const escapes = "In a user or password write % as %25, / as %2F, ? as %3F, # as %23, @ as %40 and a space as %20, in a path @ as %40"

// Parse reads a Redis URL. Its error goes on after "PULSE_REDIS_URL is" and never holds the
// password.
func Parse(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !slices.Contains(schemes, scheme) {
		return nil, fmt.Errorf("no URL of a Redis; it is not shown here because it may hold a password: %s", takes)
	}
	wrong := func(why string) error { return fmt.Errorf("%q: %s", scheme+"://"+redact(rest), why) }
	if strings.Contains(rest, "#") { // a URL ends there: we would connect to the host before it
		return nil, wrong("write a # as %23, in a password too")
	}
	u, err := splitURL(scheme, rest)
	if err != nil {
		return nil, wrong(err.Error())
	}
	takes := takes
	if _, err := url.Parse(scheme + "://" + u.login + "host"); err != nil {
		takes = escapes
	}
	// A password of digits that goes on with a '/' or '?' looks like a port with a path: we would dial it, and log the path.
	if path, query, _ := strings.Cut(u.path, "?"); strings.Contains(path, "@") || u.login == "" && strings.Contains(query, "@") {
		return nil, wrong("there is an @ behind the host. " + escapes)
	}
	var o redis.UniversalOptions
	each, isSentinel := strings.CutSuffix(scheme, "+sentinel")
	if isSentinel {
		if o.MasterName, u.path = cutAny(strings.TrimPrefix(u.path, "/"), "/?"); o.MasterName == "" || u.hosts[0] == "" {
			return nil, wrong(takes)
		}
		if u.path, err = cutSentinelLogin(&o, u.path); err != nil {
			return nil, wrong("its query is not name=value&name=value, escaped")
		}
	}
	for _, host := range u.hosts {
		one, err := redis.ParseURL(each + "://" + u.login + host + u.path)
		if err != nil {
			return nil, wrong(takes) // not err, which may quote the URL with its password
		}
		if one.DB < 0 { // go-redis would use database 0
			return nil, wrong("a database is a number from 0")
		}
		if o.MasterName != "" && strings.LastIndexByte(host, ':') <= strings.LastIndexByte(host, ']') {
			one.Addr = net.JoinHostPort(strings.Trim(host, "[]"), "26379") // no port of its own: a sentinel's
		}
		if _, port, err := net.SplitHostPort(one.Addr); err == nil && scheme != "unix" {
			if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
				return nil, wrong("a port is 1 to 65535")
			}
		}
		o.Addrs = append(o.Addrs, one.Addr)
		o.Username, o.Password, o.DB, o.TLSConfig = one.Username, one.Password, one.DB, one.TLSConfig
	}
	if o.TLSConfig != nil && len(u.hosts)+len(o.MasterName) > 1 {
		o.TLSConfig.ServerName = "" // each host has a certificate of its own name, the name by which we dial it
	}
	if o.IsClusterMode = len(o.Addrs) > 1 && o.MasterName == ""; o.IsClusterMode && o.DB != 0 {
		return nil, wrong("a Redis Cluster has database 0 only")
	}
	return &Address{o}, nil
}

var schemes = []string{"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"}

// cutSentinelLogin moves the Sentinels' own login from the query of a path into o.
func cutSentinelLogin(o *redis.UniversalOptions, path string) (rest string, err error) {
	rest, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B")) // no form writes it, so a + is no space
	o.SentinelUsername, o.SentinelPassword = values.Get("sentinel_username"), values.Get("sentinel_password")
	values.Del("sentinel_username")
	values.Del("sentinel_password")
	if len(values) > 0 {
		rest += "?" + values.Encode()
	}
	return rest, err
}

// parts are the parts of a URL after its scheme.
type parts struct {
	login string // "user:password@"
	hosts []string
	path  string // with the query
}

// splitURL splits a URL after its scheme into its parts. Each of several hosts may repeat the scheme, the login
// and the path, which must then be the same.
func splitURL(scheme, rest string) (u parts, err error) {
	for one := range strings.SplitSeq(rest, ","+scheme+"://") {
		hosts, path := cutAny(one, "/?")
		login := ""
		if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
			login, hosts = hosts[:i+1], hosts[i+1:]
		}
		switch {
		case login != "" && u.login != "" && login != u.login:
			return u, errors.New("all hosts take the same user and password")
		case path != "" && u.path != "" && path != u.path:
			return u, errors.New("all hosts take the same path")
		case strings.Contains(strings.TrimSuffix(login, "@"), "@") && strings.Contains(login, ","):
			return u, errors.New("the user and password stand once, before the first host; write an @ in them as %40")
		}
		u.login, u.path = cmp.Or(u.login, login), cmp.Or(u.path, path)
		u.hosts = append(u.hosts, strings.Split(hosts, ",")...)
	}
	if len(u.hosts) > 1 && slices.Contains(u.hosts, "") {
		return u, errors.New("one of its hosts is empty")
	}
	return u, nil
}

var (
	plainHosts = regexp.MustCompile(`^(([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(,|$))*$`)
	plainPath  = regexp.MustCompile(`^[A-Za-z0-9._/-]*$`)
)

// redact returns rest, the URL after its scheme, without anything that could be a password. It hides the text
// before the last @, the query, and a host or path with unusual characters: a password may hold a '/', '?' or
// '@' that its author forgot to escape.
func redact(rest string) string {
	shown, hidden := rest, ""
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		shown, hidden = rest[i+1:], "***@"
		if strings.Contains(rest[:i], "?") {
			return "***" // the password may be in the query
		}
	}
	shown, _, _ = strings.Cut(shown, "?")
	hosts, path := cutAny(shown, "/")
	if !plainHosts.MatchString(hosts) || !plainPath.MatchString(path) {
		return "***"
	}
	return hidden + shown
}

// cutAny is strings.Cut before the first of chars; after begins with that character.
func cutAny(s, chars string) (before, after string) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}
