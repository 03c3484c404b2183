// What any adapter in Zig needs for the ABI of Gravito Pulse: text, JSON and requests out, RESP in.
const std = @import("std");

pub const gpa = std.heap.wasm_allocator;
const max_input = 8 << 20;
const max_problems = 99; // and one that says so; a reader takes 100

/// What an export returns: where the host finds a text, and how long it is.
pub const Result = u64;

/// Unsaid is a poll's end whose sentence is written already, by fail.
pub const Error = error{ OutOfMemory, Broken, Unsaid };

// ---- Writing. The lists keep their memory, so that each poll uses that of the one before.

var out: std.ArrayList(u8) = .empty;
var scratch: std.ArrayList(u8) = .empty;

/// Text that is put as JSON, in quotes.
pub const Json = struct { text: []const u8 };

pub fn json(text: []const u8) Json {
    return .{ .text = text };
}

/// Begins what is handed out next.
pub fn begin(parts: anytype) Error!void {
    out.clearRetainingCapacity();
    try put(parts);
}

pub fn put(parts: anytype) Error!void {
    try write(&out, parts);
}

/// Writes a tuple of texts, numbers and texts as JSON.
pub fn write(to: *std.ArrayList(u8), parts: anytype) Error!void {
    inline for (parts) |part| switch (@TypeOf(part)) {
        Json => try quote(to, part.text),
        u64, i64, usize, comptime_int => {
            var digits: [20]u8 = undefined;
            try to.appendSlice(gpa, std.fmt.bufPrint(&digits, "{d}", .{part}) catch unreachable);
        },
        else => try to.appendSlice(gpa, part),
    };
}

fn quote(to: *std.ArrayList(u8), text: []const u8) Error!void {
    try to.append(gpa, '"');
    var rest = text;
    while (rest.len > 0) {
        const n = character(rest);
        const c = rest[0];
        if (n == 0) {
            try to.append(gpa, '?'); // no UTF-8
        } else if (c < ' ') {
            try to.appendSlice(gpa, &.{ '\\', 'u', '0', '0', '0' + (c >> 4), "0123456789abcdef"[c & 15] });
        } else {
            if (c == '"' or c == '\\') try to.append(gpa, '\\');
            try to.appendSlice(gpa, rest[0..n]);
        }
        rest = rest[@max(n, 1)..];
    }
    try to.append(gpa, '"');
}

/// How many bytes the character has that text begins with; 0 where that is not UTF-8.
fn character(text: []const u8) usize {
    const n = std.unicode.utf8ByteSequenceLength(text[0]) catch return 0;
    return if (n <= text.len and std.unicode.utf8ValidateSlice(text[0..n])) n else 0;
}

/// Puts a request.
pub fn ask(words: []const []const u8) Error!void {
    try put(.{ "*", words.len, "\r\n" });
    for (words) |word| try put(.{ "$", word.len, "\r\n", word, "\r\n" });
}

/// The parts as one text, until the next call.
pub fn join(parts: []const []const u8) Error![]const u8 {
    scratch.clearRetainingCapacity();
    for (parts) |part| try scratch.appendSlice(gpa, part);
    return scratch.items;
}

/// Ends the poll with a sentence for a person.
pub fn fail(parts: anytype) Error {
    begin(.{"E"}) catch |err| return err;
    put(parts) catch |err| return err;
    return error.Unsaid;
}

/// What an export returns of what is written, or of why it is not.
pub fn result(done: Error!void) Result {
    const text: []const u8 = if (done) out.items else |err| switch (err) {
        error.Unsaid => out.items,
        error.OutOfMemory => "Ethis adapter has no memory for so much: set queues to those that matter",
        error.Broken => "Ethe answers are not those to what was asked: a defect of the host or of Redis",
    };
    return @as(Result, @intFromPtr(text.ptr)) << 32 | text.len;
}

var said: std.ArrayList(u8) = .empty;
var problems: usize = 0;

pub fn noProblems() void {
    said.clearRetainingCapacity();
    problems = 0;
}

/// A problem of the snapshot; queue is "" where it is no single one's.
pub fn problem(queue: []const u8, reason: []const u8) Error!void {
    problems += 1;
    if (problems > max_problems + 1) return;
    if (problems > 1) try write(&said, .{","});
    if (problems > max_problems) return write(&said, .{"{\"reason\":\"there are more problems than are told\"}"});
    try write(&said, .{"{"});
    if (queue.len > 0) try write(&said, .{ "\"queue\":", json(queue), "," });
    try write(&said, .{ "\"reason\":", json(reason), "}" });
}

/// Ends a snapshot, whose queues are written.
pub fn finish() Error!void {
    try put(.{ "],\"problems\":[", said.items, "]}" });
}

// ---- Reading.

var input: []u8 = &.{};

/// The host writes to what this returns, and passes it to the next call.
export fn pulse_alloc(size: usize) ?[*]u8 {
    if (size > max_input) return null;
    if (size > input.len or input.len == 0) input = gpa.realloc(input, @max(size, 4096)) catch return null;
    return input.ptr;
}

export fn pulse_abi() i32 {
    return 1;
}

pub const Reply = union(enum) {
    number: u64, // up to 2^53 - 1: of more not every reader of JSON is sure
    text: []const u8,
    list: u64, // of so many values, which follow it
    refusal: []const u8,
    other, // such as nothing, or a number below 0

    /// What to say of a reply that is not what was hoped for.
    pub fn why(reply: Reply) []const u8 {
        return if (reply == .refusal) reply.refusal[0..@min(reply.refusal.len, 200)] else "the answer is of another kind than is due";
    }
};

/// Reads RESP, value by value.
pub const Reader = struct {
    rest: []const u8,

    pub fn next(r: *Reader) Error!Reply {
        const end = std.mem.indexOf(u8, r.rest, "\r\n") orelse return error.Broken;
        if (end == 0) return error.Broken;
        const kind = r.rest[0];
        const line = r.rest[1..end];
        r.rest = r.rest[end + 2 ..];
        if (kind == '-') return .{ .refusal = line };
        const n = number(line) orelse
            return if (kind == ':' or kind == '+' or std.mem.eql(u8, line, "-1")) .other else error.Broken;
        switch (kind) {
            ':' => return .{ .number = n },
            '+' => return .other,
            '*' => return .{ .list = n },
            '$' => {
                if (n + 2 > r.rest.len) return error.Broken;
                defer r.rest = r.rest[@intCast(n + 2)..];
                return .{ .text = r.rest[0..@intCast(n)] };
            },
            else => return error.Broken,
        }
    }

    /// Everything has to be read in the end.
    pub fn done(r: Reader) Error!void {
        if (r.rest.len > 0) return error.Broken;
    }
};

fn number(text: []const u8) ?u64 {
    if (text.len == 0 or text.len > 16) return null;
    var n: u64 = 0;
    for (text) |c| n = if (c >= '0' and c <= '9') n * 10 + c - '0' else return null;
    return if (n <= 9007199254740991) n else null;
}
