// What any adapter in Rust needs for the ABI of Gravito Pulse: text, JSON and requests out, RESP in.
use crate::Adapter;
use std::fmt::Write;
use std::sync::Mutex;

const MAX_INPUT: usize = 16 << 20;
const MAX_PROBLEMS: usize = 99; // and one that says so; a reader takes 100
const MAX_NUMBER: u64 = (1 << 53) - 1; // of more not every reader of JSON is sure

/// What the host reads and writes, and the adapter. A host makes one call at a time, so the lock is always free;
/// it is Rust's way to have a variable that can be changed.
static STATE: Mutex<State> = Mutex::new(State { input: Vec::new(), output: Vec::new(), adapter: None });

struct State {
    input: Vec<u8>,
    output: Vec<u8>,
    adapter: Option<Adapter>,
}

/// What an adapter answers.
pub enum Answer {
    Done,
    Requests(Vec<u8>),
    Snapshot(String),
}

/// A sentence for a person, why there is none.
pub type Result<T> = std::result::Result<T, String>;

/// Hands out what the call makes: the place of a text whose first byte is a tag, and its length.
fn hand_out(call: impl FnOnce(&mut Option<Adapter>, &[u8]) -> Result<Answer>, size: usize) -> u64 {
    let Ok(mut state) = STATE.lock() else { return 0 };
    let state = &mut *state;
    let (tag, mut text) = match call(&mut state.adapter, state.input.get(..size).unwrap_or_default()) {
        Ok(Answer::Done) => (b'K', Vec::new()),
        Ok(Answer::Requests(requests)) => (b'R', requests),
        Ok(Answer::Snapshot(json)) => (b'S', json.into_bytes()),
        Err(sentence) => (b'E', sentence.into_bytes()),
    };
    text.insert(0, tag);
    state.output = text;
    (state.output.as_ptr() as u64) << 32 | state.output.len() as u64
}

#[no_mangle]
pub extern "C" fn pulse_abi() -> i32 {
    1
}

#[no_mangle]
pub extern "C" fn pulse_alloc(size: usize) -> *mut u8 {
    let Ok(mut state) = STATE.lock() else { return std::ptr::null_mut() };
    if size > MAX_INPUT {
        return std::ptr::null_mut();
    }
    if state.input.len() < size.max(1) {
        state.input = vec![0; size.max(4096)];
    }
    state.input.as_mut_ptr()
}

#[no_mangle]
pub extern "C" fn pulse_describe() -> u64 {
    (crate::DESCRIPTION.as_ptr() as u64) << 32 | crate::DESCRIPTION.len() as u64
}

#[no_mangle]
pub extern "C" fn pulse_open(_: *const u8, size: usize) -> u64 {
    let open = |adapter: &mut Option<Adapter>, settings: &[u8]| {
        *adapter = Some(Adapter::open(Reader(settings))?);
        Ok(Answer::Done)
    };
    hand_out(open, size)
}

#[no_mangle]
pub extern "C" fn pulse_poll(now_ms: i64) -> u64 {
    hand_out(|adapter, _| opened(adapter)?.poll(now_ms.max(0)), 0)
}

#[no_mangle]
pub extern "C" fn pulse_next(_: *const u8, size: usize) -> u64 {
    hand_out(|adapter, replies| opened(adapter)?.next(Reader(replies)), size)
}

fn opened(adapter: &mut Option<Adapter>) -> Result<&mut Adapter> {
    adapter.as_mut().ok_or_else(|| "it is not open: a defect of the host".to_string())
}

/// Puts a request.
pub fn ask(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend(format!("*{}\r\n", words.len()).bytes());
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend(*word);
        out.extend(b"\r\n");
    }
}

/// A text as JSON, in quotes.
pub fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Problems of a snapshot.
#[derive(Default)]
pub struct Problems(Vec<String>);

impl Problems {
    pub fn say(&mut self, queue: &str, reason: &str) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(format!("{{\"queue\":{},\"reason\":{}}}", json(queue), json(reason)));
        } else if self.0.len() == MAX_PROBLEMS {
            self.0.push("{\"reason\":\"there are more problems than are told\"}".to_string());
        }
    }

    pub fn json(&self) -> String {
        self.0.join(",")
    }
}

/// One value of RESP; those of a list follow it.
pub enum Reply<'a> {
    Number(u64),
    Text(&'a [u8]),
    List(u64),
    Refusal(String),
    Other, // such as nothing, or a number below 0
}

impl Reply<'_> {
    /// What to say of one that is not what was hoped for.
    pub fn why(&self) -> &str {
        match self {
            Reply::Refusal(text) => text,
            _ => "the answer is of another kind than is due",
        }
    }
}

pub fn broken() -> String {
    "the answers are not those to what was asked: a defect of the host or of Redis".to_string()
}

fn number(text: &[u8]) -> Option<u64> {
    let is_one = (1..=16).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let n = text.iter().fold(0, |n, c| n * 10 + u64::from(c.wrapping_sub(b'0')));
    (is_one && n <= MAX_NUMBER).then_some(n)
}

/// Reads RESP, value by value.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn next(&mut self) -> Result<Reply<'a>> {
        let end = self.0.windows(2).position(|w| w == b"\r\n").filter(|end| *end > 0).ok_or_else(broken)?;
        let (kind, line) = (self.0[0], &self.0[1..end]);
        self.0 = &self.0[end + 2..];
        match (kind, number(line)) {
            (b':', Some(n)) => Ok(Reply::Number(n)),
            (b'*', Some(n)) => Ok(Reply::List(n)),
            (b'-', _) => {
                let text = String::from_utf8_lossy(&line[..line.len().min(200)]);
                Ok(Reply::Refusal(text.replace('\u{fffd}', "?"))) // a byte for a byte, so that it stays short
            }
            (b'$', Some(n)) if n + 2 <= self.0.len() as u64 => {
                let (text, rest) = self.0.split_at(n as usize);
                self.0 = &rest[2..];
                Ok(Reply::Text(text))
            }
            (b':' | b'+', _) => Ok(Reply::Other),
            (b'$' | b'*', None) if line == b"-1" => Ok(Reply::Other),
            _ => Err(broken()),
        }
    }

    /// A value that is to be no list.
    pub fn one(&mut self) -> Result<Reply<'a>> {
        self.next().and_then(|reply| if matches!(reply, Reply::List(_)) { Err(broken()) } else { Ok(reply) })
    }

    /// Everything has to be read in the end.
    pub fn done(&self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(broken())
        }
    }
}
