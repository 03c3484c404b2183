// ARQ's queues for Gravito Pulse, as a WebAssembly adapter. docs/adapters.md says what its exports are for.
//
// Settings: app, source, queues (comma-separated; arq:queue, which is ARQ's own default, if unset). No key tells which
// there are. A queue is one zset {q} of job ids, by the time at which each is due; a job stays in it while it runs.
//   active     those due that have a key arq:in-progress:{id}
//   waiting    the others that are due
//   delayed    ZCOUNT {q} (now +inf
//   failed     absent: how a job ended is in its pickled result only
//   oldest_at  when the first that waits was due: for one that was not deferred, when it was enqueued
// Where more are due than can be asked for, active is absent and waiting counts those that run, too; meta.error says so.
// The text at {q}:health-check has a number of running jobs, but that of one worker and up to an hour old.
mod pulse;
mod queue;
use pulse::{ask, broken, json, Answer, Problems, Reader, Reply, Result};
use queue::{due_jobs, Queue};

pub const DESCRIPTION: &str =
    r#"{"name":"arq","version":"1","source":"redis","commands":["EXISTS","ZCOUNT","ZRANGE"]}"#;

const MAX_QUEUES: usize = 1000;
const MAX_NAME: usize = 1024;
const MAX_DUE: usize = 1000; // jobs of a queue to ask for
const MAX_ASKED: usize = 10_000; // of all queues

const UNKNOWN: &str = "active is absent, and waiting counts it, too";

pub struct Adapter {
    app: String,
    source: String,
    names: Vec<String>,
    now: u64,
    queues: Vec<Queue>, // those that could be read
    problems: Problems,
    refusal: String, // of one that could not
    asked: bool,     // for jobs, and not for counts
}

impl Adapter {
    pub fn open(mut settings: Reader) -> Result<Adapter> {
        let mut values = [String::new(), String::new(), String::new()];
        let Reply::List(n) = settings.next()? else { return Err(broken()) };
        for _ in 0..n / 2 {
            let (Reply::Text(name), Reply::Text(value)) = (settings.next()?, settings.next()?) else {
                return Err(broken());
            };
            let i = match name {
                b"app" => 0,
                b"source" => 1,
                b"queues" => 2,
                _ => {
                    return Err(format!(
                        "it takes the setting queues, and none that is called {}",
                        String::from_utf8_lossy(name)
                    ))
                }
            };
            values[i] =
                String::from_utf8(value.to_vec()).map_err(|_| "its settings are to be text in UTF-8".to_string())?;
        }
        settings.done()?;
        let [app, source, list] = values;
        let mut names = Vec::new();
        for name in list.split(',').map(|name| name.trim_matches(' ')).filter(|name| !name.is_empty()) {
            if name == "*" {
                return Err(
                    "queues takes the names of ARQ's queues, comma-separated: it cannot find them by *".to_string()
                );
            }
            if !names.iter().any(|n| n == name) {
                names.push(name.to_string());
            }
            if name.len() > MAX_NAME || names.len() > MAX_QUEUES {
                return Err("queues takes up to 1000 names of up to 1024 bytes, comma-separated".to_string());
            }
        }
        if names.is_empty() {
            names.push("arq:queue".to_string());
        }
        let (queues, problems, refusal) = Default::default();
        Ok(Adapter { app, source, names, now: 0, queues, problems, refusal, asked: false })
    }

    pub fn poll(&mut self, now: i64) -> Result<Answer> {
        (self.now, self.asked) = (now as u64, false);
        (self.queues, self.problems, self.refusal) = Default::default();
        let (now, after) = (now.to_string(), format!("({now}"));
        let mut out = Vec::new();
        for name in &self.names {
            ask(&mut out, &[b"ZCOUNT", name.as_bytes(), b"-inf", now.as_bytes()]);
            ask(&mut out, &[b"ZCOUNT", name.as_bytes(), after.as_bytes(), b"+inf"]);
            // By rank, so that those due come first, and one more than is asked for.
            ask(&mut out, &[b"ZRANGE", name.as_bytes(), b"0", MAX_DUE.to_string().as_bytes(), b"WITHSCORES"]);
        }
        Ok(Answer::Requests(out))
    }

    pub fn next(&mut self, replies: Reader) -> Result<Answer> {
        if self.asked {
            self.found(replies)
        } else {
            self.counted(replies)
        }
    }

    /// Takes the counts, and asks which of the jobs run.
    fn counted(&mut self, mut replies: Reader) -> Result<Answer> {
        let mut out = Vec::new();
        let mut asked = 0;
        for name in &self.names {
            let (due, delayed, jobs) = (replies.one()?, replies.one()?, due_jobs(&mut replies, self.now)?);
            let Reply::Number(due) = due else {
                self.refusal = format!("ZCOUNT: {}", due.why());
                self.problems.say(name, &format!("it is left out: {}", self.refusal));
                continue;
            };
            let mut queue = Queue { name: name.clone(), due, delayed: None, jobs: None, absent: Vec::new() };
            match delayed {
                Reply::Number(n) => queue.delayed = Some(n),
                _ => queue.absent.push(format!("delayed is absent: ZCOUNT: {}", delayed.why())),
            }
            match jobs {
                Ok(jobs) if jobs.len() <= MAX_DUE && asked + jobs.len() <= MAX_ASKED => {
                    asked += jobs.len();
                    for (id, _) in &jobs {
                        ask(&mut out, &[b"EXISTS", &[b"arq:in-progress:", id.as_slice()].concat()]);
                    }
                    queue.jobs = Some(jobs);
                }
                Ok(_) => queue.absent.push(format!("{UNKNOWN}: more jobs are due than can be asked for")),
                Err(why) => queue.absent.push(format!("{UNKNOWN}: ZRANGE: {why}")),
            }
            self.queues.push(queue);
        }
        replies.done()?;
        self.asked = true;
        if out.is_empty() {
            self.found(Reader(b""))
        } else {
            Ok(Answer::Requests(out))
        }
    }

    /// Takes which jobs run, and makes the snapshot.
    fn found(&mut self, mut replies: Reader) -> Result<Answer> {
        if self.queues.is_empty() {
            return Err(format!("no queue of ARQ's can be read: {}", self.refusal));
        }
        let mut rows = Vec::new();
        for queue in &mut self.queues {
            let (mut waiting, mut active, mut oldest) = (queue.due, None, None);
            if let Some(jobs) = &queue.jobs {
                let (mut running, mut refused) = (0, None);
                for (_, since) in jobs {
                    match replies.one()? {
                        Reply::Number(0) => oldest = oldest.or(Some(*since)),
                        Reply::Number(_) => running += 1,
                        other => refused = Some(format!("{UNKNOWN}: EXISTS: {}", other.why())),
                    }
                }
                match refused {
                    // The list is newer than the count by a moment: both numbers are the list's.
                    None => (waiting, active) = (jobs.len() as u64 - running, Some(running)),
                    Some(why) => (oldest, _) = (None, queue.absent.push(why)),
                }
            }
            rows.push(queue.row(waiting, active, oldest));
        }
        replies.done()?;
        let source = if self.source.is_empty() { String::new() } else { format!(",\"source\":{}", json(&self.source)) };
        let (app, queues, problems) = (json(&self.app), rows.join(","), self.problems.json());
        Ok(Answer::Snapshot(format!(
            "{{\"timestamp\":{},\"app\":{app}{source},\"queues\":[{queues}],\"problems\":[{problems}]}}",
            self.now
        )))
    }
}
