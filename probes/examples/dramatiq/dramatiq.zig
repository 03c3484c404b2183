// Dramatiq's queues for Gravito Pulse, as a WebAssembly adapter. docs/adapters.md says what its exports are for.
//
// Settings: app, source, namespace (dramatiq), queues (comma-separated; those with a message if unset).
//   waiting  LLEN {ns}:{q}
//   active   HLEN {ns}:{q}.msgs, which has every message that is not done, less waiting: those that workers
//            run or have fetched ahead
//   delayed  HLEN {ns}:{q}.DQ.msgs. Not LLEN {ns}:{q}.DQ: workers take that list to their memory
//   failed   ZCARD {ns}:{q}.XQ, which Dramatiq keeps for seven days
// The number of workers is absent: {ns}:__heartbeats__ has those that enqueue, too.
//
// Of an empty queue Dramatiq has no key. One that was found is reported as empty for a day.
const std = @import("std");
const pulse = @import("pulse.zig");
const walk = @import("walk.zig");
const put = pulse.put;
const json = pulse.json;

var app: []const u8 = "";
var source: []const u8 = "";
var ns: []const u8 = "dramatiq";
var named = false; // queues are named by the settings, and not looked for
var walking = false; // the next replies are the walk's, not counts
var absent: std.ArrayList(u8) = .empty; // of the queue that is written: what, and why

/// The queue that a key {ns}:{q}.msgs is of.
fn queueOf(key: []const u8) ?[]const u8 {
    if (key.len <= ns.len or !std.mem.startsWith(u8, key, ns) or !std.mem.endsWith(u8, key, ".msgs")) return null;
    const name = key[ns.len + 1 .. @max(key.len - ".msgs".len, ns.len + 1)];
    // A queue may have only delayed messages, or only failed ones.
    const inner = std.mem.endsWith(u8, name, ".DQ") or std.mem.endsWith(u8, name, ".XQ");
    return if (inner) name[0 .. name.len - 3] else name;
}

fn look() pulse.Error!void {
    walking = true;
    try walk.ask(try pulse.join(&.{ ns, ":" }), ".msgs");
}

const Part = struct { name: []const u8, command: []const u8, suffix: []const u8 };
const parts = [_]Part{
    .{ .name = "waiting", .command = "LLEN", .suffix = "" },
    .{ .name = "active", .command = "HLEN", .suffix = ".msgs" },
    .{ .name = "delayed", .command = "HLEN", .suffix = ".DQ.msgs" },
    .{ .name = "failed", .command = "ZCARD", .suffix = ".XQ" },
};

/// Asks for the counts of all queues.
fn count() pulse.Error!void {
    walking = false;
    if (walk.queues.count() == 0) return counted(.{ .rest = "" });
    try pulse.begin(.{"R"});
    for (walk.queues.keys()) |name| {
        for (parts) |p| try pulse.ask(&.{ p.command, try pulse.join(&.{ ns, ":", name, p.suffix }) });
    }
}

/// Takes the counts, and makes the snapshot.
fn counted(replies: pulse.Reader) pulse.Error!void {
    var r = replies;
    var refusal: []const u8 = "";
    var reported: usize = 0;
    try pulse.begin(.{ "S{\"timestamp\":", walk.now, ",\"app\":", json(app) });
    if (source.len > 0) try put(.{ ",\"source\":", json(source) });
    try put(.{",\"queues\":["});
    for (walk.queues.keys()) |name| {
        const waiting = try r.next();
        if (waiting != .number) {
            for (parts[1..]) |_| _ = try r.next();
            refusal = waiting.why();
            try pulse.problem(name, try pulse.join(&.{ "it is left out: LLEN: ", refusal }));
            continue;
        }
        if (reported > 0) try put(.{","});
        reported += 1;
        try put(.{ "{\"name\":", json(name), ",\"driver\":\"other\",\"metrics\":{\"waiting\":", waiting.number });
        absent.clearRetainingCapacity();
        for (parts[1..]) |p| {
            const reply = try r.next();
            const less = if (std.mem.eql(u8, p.name, "active")) waiting.number else 0;
            if (reply != .number) {
                try pulse.write(&absent, .{ p.name, " is absent: ", p.command, ": ", reply.why(), "; " });
            } else if (reply.number < less) { // Redis may do something else between two of our commands
                try pulse.write(&absent, .{ p.name, " is absent: jobs came while it was read; " });
            } else try put(.{ ",\"", p.name, "\":", reply.number - less });
        }
        try put(.{"},\"meta\":{\"driver\":\"dramatiq\""});
        if (absent.items.len > 0) try put(.{ ",\"error\":", json(absent.items[0 .. absent.items.len - 2]) });
        try put(.{"}}"});
    }
    try r.done();
    if (walk.queues.count() > 0 and reported == 0) return pulse.fail(.{ "no queue of Dramatiq's can be read: LLEN: ", refusal });
    if (!named) try walk.sayProblems();
    try pulse.finish();
}

fn found(replies: pulse.Reader) pulse.Error!void {
    return if (try walk.take(replies, queueOf)) look() else count();
}

fn open(settings: pulse.Reader) pulse.Error!void {
    var r = settings;
    var list: []const u8 = "";
    const fields = try r.next();
    if (fields != .list) return error.Broken;
    for (0..@intCast(fields.list / 2)) |_| {
        const name = try r.next();
        const value = try r.next();
        if (name != .text or value != .text) return error.Broken;
        const text = try pulse.gpa.dupe(u8, value.text);
        if (std.mem.eql(u8, name.text, "app")) app = text //
        else if (std.mem.eql(u8, name.text, "source")) source = text //
        else if (std.mem.eql(u8, name.text, "namespace")) ns = text //
        else if (std.mem.eql(u8, name.text, "queues")) list = text //
        else return pulse.fail(.{ "it takes the settings namespace and queues, and none that is called ", name.text });
    }
    if (ns.len == 0) ns = "dramatiq";
    var names = std.mem.splitScalar(u8, list, ',');
    while (names.next()) |padded| {
        const name = std.mem.trim(u8, padded, " ");
        if (std.mem.eql(u8, name, "*")) { // all, as without it
            walk.queues.clearRetainingCapacity();
            break;
        }
        const not = if (name.len > 0) try walk.add(name) else "";
        if (not.len > 0) return pulse.fail(.{ "queues takes names of queues, comma-separated: ", not });
    }
    named = walk.queues.count() > 0;
    try pulse.begin(.{"K"});
}

fn poll(now_ms: i64) pulse.Error!void {
    walk.now = @max(now_ms, 0);
    pulse.noProblems();
    return if (!named and walk.isDue()) look() else count();
}

export fn pulse_describe() pulse.Result {
    return pulse.result(pulse.begin(.{"{\"name\":\"dramatiq\",\"version\":\"1\",\"source\":\"redis\",\"commands\":[\"HLEN\",\"LLEN\",\"SCAN\",\"ZCARD\"]}"}));
}

export fn pulse_open(at: [*]const u8, len: usize) pulse.Result {
    return pulse.result(open(.{ .rest = at[0..len] }));
}

export fn pulse_poll(now_ms: i64) pulse.Result {
    return pulse.result(poll(now_ms));
}

export fn pulse_next(at: [*]const u8, len: usize) pulse.Result {
    const replies: pulse.Reader = .{ .rest = at[0..len] };
    return pulse.result(if (walking) found(replies) else counted(replies));
}
