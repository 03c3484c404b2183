// Package sqs reads Amazon SQS queues from their attributes: how many messages are visible, in
// flight and delayed, and what their dead-letter queues hold.
//
// [Adapter] is the adapter; its Open takes the settings [SettingQueues] and [SettingCallsPerMonth].
//
// The counts are SQS' own approximations, up to a minute old. The adapter asks for attributes and names only; it
// never receives a message, so it changes none. The facts it relies on are in docs/drivers/sqs.md.
package sqs
