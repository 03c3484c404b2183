// Package recorder looks at the consolidated view once a minute and keeps what it saw: history, trends, healths and
// alerts. It is the one writer of history and the one judge of healths.
//
// [Recorder.Run] records until it is told to stop, [Recorder.Once] once. [Store.History] reads what was recorded.
// [Store.WithLastNumbers] gives a reader that has just started the last numbers of queues that are lost.
//
// Of several recorders of one Redis the newest records, and another goes on within two minutes where it ends. What
// fails is tried again and logged once; a minute that could not be recorded is a gap.
package recorder
