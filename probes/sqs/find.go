package sqs

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// listIsDue reports whether to list the queues at this poll.
func (s *session) listIsDue() bool {
	switch {
	case !s.globs:
		return false
	case s.listedAt.IsZero() && s.unlisted == nil:
		s.budget.allow(1, 0)
		return true
	case s.unlisted != nil && s.budget == nil:
		return true
	case s.unlisted != nil && s.now.Sub(s.unlisted.at) < s.lookInterval():
		return false
	}
	return s.now.Sub(s.listedAt) >= s.lookInterval() && s.budget.allow(0, 1) == 1
}

// list asks SQS for all queues, page by page.
func (s *session) list(token string) adapter.Step {
	// Without MaxResults SQS gives no NextToken, and no more than 1,000 queues.
	var input protocol.Meta
	input.SetInt("MaxResults", 1000)
	if token != "" {
		input.SetText("NextToken", token)
		s.budget.allow(1, 0) // a list that was begun is read to its end
	}
	if s.prefix != "" {
		input.SetText("QueueNamePrefix", s.prefix)
	}
	s.pages++
	return s.Ask([]adapter.Request{request(opList, input)}, func(r []adapter.Reply) adapter.Step {
		page, err := output(r[0])
		if err != nil {
			s.unlisted = &failure{opList, err, s.now}
			return s.locate()
		}
		for _, url := range page.Texts("QueueUrls") {
			if s.patterns.Match(nameOf(url)) {
				s.target(url).wanted = true
				s.listed[url] = true
			}
		}
		if token := page.Text("NextToken"); token != "" {
			return s.list(token)
		}
		for url, t := range s.targets {
			if t.wanted && !t.named && !s.listed[url] {
				delete(s.targets, url) // it was deleted; a dead-letter queue is found again below
			}
		}
		s.listedAt, s.unlisted = s.now, nil
		return s.locate()
	})
}

// locate asks for the URL of each named queue that has none yet.
func (s *session) locate() adapter.Step {
	if s.unlisted != nil {
		s.problem("", "the queues cannot be listed, only those known are read: "+s.unlisted.String())
	}
	var missing []string
	for _, name := range s.named {
		switch {
		case s.located[name]:
		case isURL(name):
			s.addNamed(name, name)
		default:
			missing = append(missing, name)
		}
	}
	return s.findURLs(missing, s.unfound, 0, func(urls map[string]string) adapter.Step {
		for _, name := range missing {
			url, found := urls[name]
			if !found {
				s.problem(name, s.unfound[name].String())
				continue
			}
			s.addNamed(name, url)
		}
		switch {
		case len(s.targets) > 0 || len(s.problems) == 0:
			return s.read(s.due())
		case s.unlisted != nil:
			return adapter.Fail("list the SQS queues: " + s.unlisted.String())
		}
		return adapter.Fail(s.problems[0].String())
	})
}

// addNamed adds the queue that a setting calls name, which is at url.
func (s *session) addNamed(name, url string) {
	s.located[name] = true
	t := s.target(url)
	t.wanted, t.named = true, true
	if isARN(name) {
		t.asked = name
	}
}

// findURLs asks for the URLs of queues given by name or by ARN, and remembers in missing why it got none. It
// asks again at the next poll, but for a queue that was not there or is forbidden only after retryAfter.
// With a budget it asks again after lookInterval.
func (s *session) findURLs(names []string, missing map[string]failure, retryAfter time.Duration, then func(urls map[string]string) adapter.Step) adapter.Step {
	var ask, again []string
	for _, name := range names {
		f, tried := missing[name]
		wait := time.Duration(0)
		switch {
		case s.budget != nil:
			wait = s.lookInterval()
		case isPermanent(f.err):
			wait = retryAfter
		}
		switch {
		case !tried:
			ask = append(ask, name)
		case s.now.Sub(f.at) >= wait:
			again = append(again, name)
		}
	}
	slices.SortStableFunc(again, func(a, b string) int { return missing[a].at.Compare(missing[b].at) })
	ask = append(ask, again[:s.budget.allow(len(ask), len(again))]...)
	requests := make([]adapter.Request, len(ask))
	for i, name := range ask {
		requests[i] = urlRequest(name)
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		urls := make(map[string]string, len(ask))
		for i, name := range ask {
			url, err := readURL(r[i])
			if err != nil {
				missing[name] = failure{opURL, err, s.now}
				continue
			}
			delete(missing, name)
			urls[name] = url
		}
		return then(urls)
	})
}

// urlRequest asks for the URL of a queue given as a name, or as an ARN with its owner.
func urlRequest(nameOrARN string) adapter.Request {
	var input protocol.Meta
	if isARN(nameOrARN) {
		parts := strings.Split(nameOrARN, ":")
		input.SetText("QueueName", parts[5])
		input.SetText("QueueOwnerAWSAccountId", parts[4])
	} else {
		input.SetText("QueueName", nameOrARN)
	}
	return request(opURL, input)
}

func readURL(r adapter.Reply) (string, error) {
	out, err := output(r)
	url := out.Text("QueueUrl")
	if err == nil && url == "" {
		err = errors.New(opURL + " answered no QueueUrl")
	}
	return url, err
}

// isARN reports whether s is an ARN of SQS: arn, partition, service, region, account, name.
func isARN(s string) bool {
	parts := strings.Split(s, ":")
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "sqs" && isName(parts[3]) && isAccount(parts[4]) && isName(parts[5])
}

// isURL reports whether s is a queue's URL: a host, the owner's account and the name, and nothing secret.
func isURL(s string) bool {
	_, rest, ok := strings.Cut(s, "://")
	parts := strings.Split(rest, "/")
	return ok && (strings.HasPrefix(s, "https:") || strings.HasPrefix(s, "http:")) &&
		len(parts) == 3 && parts[0] != "" && !strings.ContainsAny(parts[0], "@*?[") && isAccount(parts[1]) && isName(parts[2])
}

func isAccount(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// maxName is the most characters of a queue's name, .fifo included.
const maxName = 80

func isName(s string) bool {
	stem := strings.TrimSuffix(s, ".fifo")
	return stem != "" && len(s) <= maxName && !strings.ContainsFunc(stem, isNoNameCharacter)
}

func isNoNameCharacter(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// isNamePattern reports whether p is a name, or a glob that a name can match.
func isNamePattern(p string) bool {
	if !adapter.IsGlob(p) {
		return isName(p)
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return isNoNameCharacter(r) && !strings.ContainsRune(`.*?[]^\`, r) })
}

// nameOf is the queue's name: the last part of its URL or ARN.
func nameOf(url string) string { return url[strings.LastIndexAny(url, "/:")+1:] }

func request(operation string, input protocol.Meta) adapter.Request {
	return adapter.Request{operation, string(input.AppendJSON(nil))}
}

// output is the answer of SQS.
func output(r adapter.Reply) (protocol.Meta, error) {
	text, err := r.Text()
	if err != nil {
		return protocol.Meta{}, err
	}
	out, err := protocol.ReadObject([]byte(text))
	if err != nil {
		err = errors.New("the answer is not the JSON of SQS: " + err.Error())
	}
	return out, err
}

func (s *session) problem(queue, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: queue, Reason: reason})
}

// explain adds to a refusal what to do about it.
func explain(operation string, err error) string {
	switch {
	case denied(err):
		hint := "allow sqs:" + operation + " on its ARN"
		if operation == opList {
			hint = "allow sqs:ListQueues on *, or name the queues instead of a glob"
		}
		return err.Error() + "; " + hint + " (docs/deploy.md)"
	case gone(err):
		return "there is no queue of this name in this account and region"
	case strings.Contains(code(err), "Throttl"):
		return err.Error() + "; ask less often: poll at longer intervals, or limit the calls a month"
	case slices.Contains(badCredentials, code(err)):
		return err.Error() + "; renew or correct the AWS credentials"
	}
	return err.Error()
}

// badCredentials are the codes by which AWS refuses a caller that it doesn't know.
var badCredentials = []string{
	"ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId",
	"InvalidClientTokenId", "InvalidSecurity", "MissingAuthenticationToken", "OptInRequired",
	"SignatureDoesNotMatch", "UnrecognizedClientException",
}

// isPermanent reports whether err is about the queue or the permissions, so that SQS would answer the same if
// asked again at once.
func isPermanent(err error) bool { return gone(err) || denied(err) || code(err) == anotherQueue }

// anotherQueue is our code for an answer that is about another queue than the one we asked for.
const anotherQueue = "AnotherQueue"

func denied(err error) bool { return strings.HasPrefix(code(err), "AccessDenied") }

// gone reports whether err says that a queue doesn't exist. The error has one name in the JSON protocol and
// another in the older query protocol.
func gone(err error) bool {
	return strings.HasSuffix(code(err), "QueueDoesNotExist") || strings.HasSuffix(code(err), "NonExistentQueue")
}

func code(err error) string { return adapter.CodeOf(err) }
