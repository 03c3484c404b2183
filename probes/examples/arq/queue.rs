// A queue of ARQ's, and how it is written.
use crate::pulse::{broken, json, Reader, Reply, Result};

/// A queue, and what this poll knows of it.
pub struct Queue {
    pub name: String,
    pub due: u64,
    pub delayed: Option<u64>,
    pub jobs: Option<Vec<(Vec<u8>, u64)>>, // those due, if it is known which: ids, and since when
    pub absent: Vec<String>,               // what is, and why
}

impl Queue {
    pub fn row(&self, waiting: u64, active: Option<u64>, oldest: Option<u64>) -> String {
        let member = |name: &str, n: Option<u64>| n.map_or(String::new(), |n| format!(",\"{name}\":{n}"));
        let (active, delayed, oldest) =
            (member("active", active), member("delayed", self.delayed), member("oldest_at", oldest));
        let error = if self.absent.is_empty() {
            String::new()
        } else {
            format!(",\"error\":{}", json(&self.absent.join("; ")))
        };
        let name = json(&self.name);
        let metrics = format!("{{\"waiting\":{waiting}{active}{delayed}}}");
        let meta = format!("{{\"driver\":\"arq\"{oldest}{error}}}");
        format!("{{\"name\":{name},\"driver\":\"other\",\"metrics\":{metrics},\"meta\":{meta}}}")
    }
}

/// The jobs of a ZRANGE that are due, or why there is no telling.
pub fn due_jobs(replies: &mut Reader, now: u64) -> Result<std::result::Result<Vec<(Vec<u8>, u64)>, String>> {
    let n = match replies.next()? {
        Reply::List(n) => n,
        other => return Ok(Err(other.why().to_string())),
    };
    let mut jobs = Vec::new();
    for _ in 0..n / 2 {
        let (Reply::Text(id), Reply::Text(score)) = (replies.next()?, replies.next()?) else { return Err(broken()) };
        let due: f64 = std::str::from_utf8(score).ok().and_then(|text| text.parse().ok()).ok_or_else(broken)?;
        if due <= now as f64 {
            jobs.push((id.to_vec(), due.max(0.0) as u64));
        }
    }
    Ok(Ok(jobs))
}
