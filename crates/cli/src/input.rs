//! Lines from standard input.

use std::io::{BufRead, Read};
use std::sync::mpsc as sync;

use tokio::sync::mpsc;

/// The maximum length of a line, in bytes: enough for a message of the largest
/// size in base64 and the JSON around it. A longer line is skipped.
pub(crate) const LONGEST: u64 = 96 << 20;

/// How many lines may wait until the lines before them are carried out. The
/// program that writes further lines has to wait.
const AHEAD: usize = 64;

/// One line without its end.
#[derive(Debug)]
pub(crate) enum Line {
    /// The text.
    Text(String),
    /// The reason why it can't be read.
    Unreadable(&'static str),
}

/// The lines of an input.
#[derive(Debug)]
pub(crate) struct Lines {
    queue: mpsc::Receiver<Line>,
    /// Notified before each line, if lines are read only on request.
    ready: Option<sync::Sender<()>>,
}

impl Lines {
    /// Lines that are read one by one, each on request.
    pub(crate) fn on_request(queue: mpsc::Receiver<Line>, ready: sync::Sender<()>) -> Self {
        Self {
            queue,
            ready: Some(ready),
        }
    }

    /// The next line; `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<Line> {
        if let Some(ready) = &self.ready {
            // A reader that has ended has closed the queue too.
            let _ = ready.send(());
        }
        self.queue.recv().await
    }
}

/// Starts to read standard input. The lines end with the input.
/// Must be called inside the runtime.
///
/// A thread of its own reads, because reading can't be interrupted and must not
/// keep the program from ending.
pub(crate) fn lines() -> std::io::Result<Lines> {
    let (sender, queue) = mpsc::channel(AHEAD);
    platform::start(sender)?;
    Ok(Lines { queue, ready: None })
}

/// Linux polls the input for us: there is a thread only while lines come.
#[cfg(target_os = "linux")]
mod platform {
    use std::io::{BufReader, Read};
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::sync::{mpsc, oneshot};

    use super::{End, Line, read};

    /// How long the thread waits for further input before it ends. To start it takes
    /// some ten microseconds.
    const IDLE: Timespec = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };

    /// When to try again if no thread can be started.
    const RETRY: Duration = Duration::from_secs(1);

    pub(super) fn start(lines: mpsc::Sender<Line>) -> std::io::Result<()> {
        tokio::spawn(async move {
            let mut is_start = true;
            while is_readable(&lines).await {
                match read_on_a_thread(lines.clone(), is_start) {
                    Ok(end) => match end.await {
                        Ok(End::Idle) => is_start = false,
                        _ => return,
                    },
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
        });
        Ok(())
    }

    /// Waits for input. False if nobody wants lines any more.
    async fn is_readable(lines: &mpsc::Sender<Line>) -> bool {
        // Registered anew each time, because then it says what is there already. Files
        // can't be registered, and needn't: reading them doesn't wait.
        #[allow(
            deprecated,
            reason = "safe with standard input, which nothing here closes"
        )]
        let input = AsyncFd::with_interest(std::io::stdin(), Interest::READABLE);
        let Ok(input) = input else { return true };
        tokio::select! {
            ready = input.readable() => ready.is_ok(),
            () = lines.closed() => false,
        }
    }

    fn read_on_a_thread(
        lines: mpsc::Sender<Line>,
        is_start: bool,
    ) -> std::io::Result<oneshot::Receiver<End>> {
        let (sender, end) = oneshot::channel();
        std::thread::Builder::new()
            .name("input".into())
            .spawn(move || {
                let mut input = BufReader::new(Input);
                let is_idle =
                    |input: &BufReader<Input>| input.buffer().is_empty() && !has_more_soon();
                let _ = sender.send(read(&mut input, is_start, &lines, is_idle));
            })?;
        Ok(end)
    }

    fn has_more_soon() -> bool {
        let input = std::io::stdin();
        let mut polled = [PollFd::new(&input, PollFlags::IN)];
        // An error will be read.
        poll(&mut polled, Some(&IDLE)) != Ok(0)
    }

    /// Standard input without the buffer of the standard library, which doesn't say
    /// whether it is empty.
    struct Input;

    impl Read for Input {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            Ok(rustix::io::read(std::io::stdin(), buffer)?)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use tokio::sync::mpsc;

    use super::{Line, read};

    pub(super) fn start(lines: mpsc::Sender<Line>) -> std::io::Result<()> {
        std::thread::Builder::new()
            .name("input".into())
            .spawn(move || read(&mut std::io::stdin().lock(), true, &lines, |_| false))?;
        Ok(())
    }
}

/// Why no more lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The input has ended, or nobody wants lines any more.
    Done,
    /// There may be more later.
    Idle,
}

/// Reads lines until the input ends, or is idle between two of them.
fn read<I: BufRead>(
    input: &mut I,
    mut is_start: bool,
    lines: &mpsc::Sender<Line>,
    is_idle: impl Fn(&I) -> bool,
) -> End {
    while let Some(mut line) = next(input, LONGEST) {
        // Some editors write a byte order mark at the start of a file.
        if let Line::Text(text) = &mut line
            && std::mem::take(&mut is_start)
            && text.starts_with('\u{feff}')
        {
            text.remove(0);
        }
        if lines.blocking_send(line).is_err() {
            return End::Done;
        }
        if is_idle(input) {
            return End::Idle;
        }
    }
    End::Done
}

/// The next line; `None` at the end of the input and after a read error.
fn next(input: &mut impl BufRead, longest: u64) -> Option<Line> {
    let mut bytes = Vec::new();
    let read = input
        .by_ref()
        .take(longest.saturating_add(1))
        .read_until(b'\n', &mut bytes)
        .ok()?;
    if read == 0 {
        return None;
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    } else if read as u64 > longest {
        drop(bytes);
        skip_line(input).ok()?;
        return Some(Line::Unreadable("the line is too long: it was skipped"));
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(_) => Line::Unreadable("the line isn't UTF-8"),
    })
}

/// Reads to the end of the line and discards it.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |index| index + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Vec<String> {
        std::iter::from_fn(|| next(&mut input, 8))
            .map(|line| match line {
                Line::Text(text) => text,
                Line::Unreadable(why) => format!("<{why}>"),
            })
            .collect()
    }

    #[test]
    fn lines_end_at_line_breaks() {
        assert_eq!(all(b"one\r\n\ntwo\nthree"), ["one", "", "two", "three"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_or_not_utf8_is_skipped_alone() {
        let lines = all(b"12345678\n123456789\nnext\n\xff\nlast\n1234567890");
        assert_eq!(lines[0], "12345678");
        assert!(lines[1].contains("too long"));
        assert_eq!(lines[2], "next");
        assert!(lines[3].contains("UTF-8"));
        assert_eq!(lines[4], "last");
        assert!(lines[5].contains("too long"));
        assert_eq!(lines.len(), 6);
    }
}
