// Package alert decides what is worth waking somebody for, and tells them: once when it begins, now and then while
// it lasts, and once when it is over.
//
// [ParseRules] and [ParseChannels] read the settings. [Manager.Look] looks at a view, once a minute: it moves each
// alert on, keeps their states in Redis, and sends one message a channel.
//
// What is promised: a number that is not known is no look, neither at trouble nor at its end, and what is not in a view
// is gone only where its reporter says so. Of two managers that run at once one looks at each minute, so nobody is told
// twice. What a channel did not take is sent again a minute later. No address of a channel is in an error or a log: it
// is a secret.
package alert
