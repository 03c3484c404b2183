// The queues of a Redis that keeps no list of them: found by a walk through all keys with SCAN, in parts. A poll
// takes so many rounds of it, the next goes on, and after a whole walk it rests.
const std = @import("std");
const pulse = @import("pulse.zig");

const max_queues = 1000;
const max_name = 1024;
const max_rounds = 20; // a poll
const pause = 30_000; // ms, after a whole walk
const day = 86_400_000; // ms, after which a queue without a key is forgotten

pub var queues: std.StringArrayHashMapUnmanaged(i64) = .empty; // when a key of each was last seen
pub var now: i64 = 0; // of this poll

var cursor: []const u8 = "0"; // where the walk is
var cursor_bytes: [20]u8 = undefined;
var rounds: usize = 0; // of this poll
var resting_until: i64 = 0;
var walked = false; // once, to the end
var left_out: []const u8 = ""; // why a queue is, by the last whole walk
var left_out_now: []const u8 = ""; // by the one under way

/// Adds a queue, or says why not.
pub fn add(name: []const u8) pulse.Error![]const u8 {
    if (name.len == 0 or name.len > max_name) return "a name has 1 to 1024 bytes";
    if (!std.unicode.utf8ValidateSlice(name)) return "its name is not UTF-8";
    if (queues.getPtr(name)) |seen| {
        seen.* = now;
        return "";
    }
    if (queues.count() == max_queues) return "there is room for 1000: set queues to those that matter";
    try queues.put(pulse.gpa, try pulse.gpa.dupe(u8, name), now);
    return "";
}

pub fn isDue() bool {
    rounds = 0;
    return now >= resting_until;
}

/// Asks for the next part of the walk: keys that begin and end so.
pub fn ask(begin: []const u8, end: []const u8) pulse.Error!void {
    var pattern: std.ArrayList(u8) = .empty;
    defer pattern.deinit(pulse.gpa);
    for (begin) |c| {
        if (std.mem.indexOfScalar(u8, "*?[]\\", c) != null) try pattern.append(pulse.gpa, '\\');
        try pattern.append(pulse.gpa, c);
    }
    try pulse.write(&pattern, .{ "*", end });
    try pulse.begin(.{"R"});
    try pulse.ask(&.{ "SCAN", cursor, "MATCH", pattern.items, "COUNT", "5000" });
}

/// Takes a part of the walk, and says whether this poll is to ask for another. nameOf says which queue a key is of.
pub fn take(replies: pulse.Reader, nameOf: fn ([]const u8) ?[]const u8) pulse.Error!bool {
    var r = replies;
    const reply = try r.next();
    if (reply == .refusal) {
        try pulse.problem("", try pulse.join(&.{ "queues cannot be looked for: SCAN: ", reply.why() }));
        cursor = "0";
        return false;
    }
    const to = try r.next();
    const keys = try r.next();
    if (reply != .list or reply.list != 2 or keys != .list) return error.Broken;
    if (to != .text or to.text.len == 0 or to.text.len > cursor_bytes.len) return error.Broken;
    for (0..@intCast(keys.list)) |_| {
        const key = try r.next();
        if (key != .text) return error.Broken;
        const not = if (nameOf(key.text)) |name| try add(name) else "";
        if (not.len > 0) left_out_now = not;
    }
    try r.done();
    @memcpy(cursor_bytes[0..to.text.len], to.text);
    cursor = cursor_bytes[0..to.text.len];
    rounds += 1;
    if (!std.mem.eql(u8, cursor, "0")) return rounds < max_rounds;

    walked = true;
    resting_until = now + pause;
    left_out = left_out_now;
    left_out_now = "";
    var i = queues.count();
    while (i > 0) : (i -= 1) {
        const name = queues.keys()[i - 1];
        if (now - queues.values()[i - 1] <= day) continue;
        queues.orderedRemoveAt(i - 1);
        pulse.gpa.free(name);
    }
    return false;
}

/// Says what the walk has not found.
pub fn sayProblems() pulse.Error!void {
    const left = if (left_out.len > 0) left_out else left_out_now;
    if (left.len > 0) try pulse.problem("", try pulse.join(&.{ "queues are left out: ", left }));
    if (walked and queues.count() == 0) try pulse.problem("", "no key of a queue is there: there is no message, or the namespace is another one");
    if (!walked and !std.mem.eql(u8, cursor, "0")) try pulse.problem("", "still looking for queues, this Redis has many keys; set queues to their names");
}
