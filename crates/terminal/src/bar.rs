//! A line at the end of the screen that is drawn again several times a second. What is printed appears above it.

use parking_lot::{Condvar, Mutex};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(120);

/// What turns at the beginning of the line.
const TURNING: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Back to the first column, and nothing in the line.
const CLEAR: &str = "\r\x1b[2K";

/// The line, which is there until it is finished or dropped.
#[derive(Debug)]
pub(crate) struct Bar(Arc<Shared>);

struct Shared {
    drawing: Mutex<Drawing>,
    finished: Condvar,
    text: Box<dyn Fn() -> String + Send + Sync>,
    is_coloured: bool,
}

struct Drawing {
    out: Box<dyn Write + Send>,
    /// How often it was drawn.
    count: usize,
    is_drawn: bool,
    is_finished: bool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bar").finish_non_exhaustive()
    }
}

impl Bar {
    /// A line on a terminal. `text` is asked each time what it says.
    pub(crate) fn new(
        out: impl Write + Send + 'static,
        is_coloured: bool,
        text: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let out = Box::new(out);
        let drawing = Drawing { out, count: 0, is_drawn: false, is_finished: false };
        let (drawing, finished) = (Mutex::new(drawing), Condvar::new());
        let shared = Arc::new(Shared { drawing, finished, text: Box::new(text), is_coloured });
        let drawn = shared.clone();
        std::thread::spawn(move || {
            let mut drawing = drawn.drawing.lock();
            while !drawing.is_finished {
                drawn.draw(&mut drawing);
                drawn.finished.wait_for(&mut drawing, INTERVAL);
            }
        });
        Self(shared)
    }

    /// Prints while the line is not there.
    pub(crate) fn above(&self, print: impl FnOnce()) {
        let mut drawing = self.0.drawing.lock();
        drawing.clear();
        print();
        self.0.draw(&mut drawing);
    }

    /// Removes the line.
    pub(crate) fn finish(&self) {
        let mut drawing = self.0.drawing.lock();
        drawing.clear();
        drawing.is_finished = true;
        self.0.finished.notify_all();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Shared {
    fn draw(&self, drawing: &mut Drawing) {
        if drawing.is_finished {
            return;
        }
        let turning = TURNING[drawing.count % TURNING.len()];
        let (on, off) = if self.is_coloured { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        drawing.count += 1;
        drawing.is_drawn = true;
        drawing.put(&format!("{CLEAR}{on}{turning}{off} {}", (self.text)()));
    }
}

impl Drawing {
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            self.put(CLEAR);
        }
    }

    fn put(&mut self, text: &str) {
        // A terminal that is gone shows nothing, and the work goes on.
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// What was written to a terminal.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("it is text")
        }
    }

    /// Waits until the line was drawn so often.
    fn await_draws(written: &Written, count: usize) {
        let end = Instant::now() + Duration::from_secs(30);
        while written.text().matches("Wait").count() < count {
            assert!(Instant::now() < end, "{:?}", written.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn lines_are_printed_above_it_and_nothing_is_left() {
        let written = Written::default();
        let bar = Bar::new(written.clone(), false, || "Wait".to_owned());
        await_draws(&written, 3);
        assert!(written.text().starts_with("\r\x1b[2K⠋ Wait\r\x1b[2K⠙ Wait\r\x1b[2K⠹ Wait"));
        let mut screen = written.clone();
        bar.above(|| screen.write_all(b"done\n").expect("it is memory"));
        assert!(written.text().contains(" Wait\r\x1b[2Kdone\n\r\x1b[2K"), "{}", written.text());
        bar.finish();
        let text = written.text();
        assert!(text.ends_with(" Wait\r\x1b[2K"), "{text}");
        bar.above(|| screen.write_all(b"after\n").expect("it is memory"));
        drop(bar);
        assert_eq!(written.text(), text + "after\n", "it is gone");
    }

    #[test]
    fn it_has_a_colour_where_there_are_any() {
        let written = Written::default();
        let bar = Bar::new(written.clone(), true, || "Wait".to_owned());
        await_draws(&written, 1);
        drop(bar);
        assert!(written.text().starts_with("\r\x1b[2K\x1b[36m⠋\x1b[0m Wait"), "{}", written.text());
    }
}
